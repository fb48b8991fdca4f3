import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import { get } from "../api/client";
import type { AgentRow, CustomerRow, CustomerView, Entry, SessionDetail } from "../api/types";
import { EMPTY, merge } from "../desk/journal";
import { useDesk, useLive } from "./live";

export function useAgents() {
  return useQuery({ queryKey: ["agents"], queryFn: () => get<AgentRow[]>("/agents"), staleTime: 60_000, retry: false });
}

/** An agent's name by his id, also when the list of agents may not be read: authors of messages carry theirs. */
export function useAgentNames(): (agent: string) => string {
  const { me } = useLive();
  const { data } = useAgents();
  const names = useMemo(() => new Map((data ?? []).map((one) => [one.agent, one.name])), [data]);
  return useCallback(
    (agent) => (agent === me.agent ? me.name : (names.get(agent) ?? `#${agent.slice(-4)}`)),
    [names, me],
  );
}

/** Asked for again when the desk shows that something became known of him. */
export function useCustomer({ customer, name, identities }: CustomerView): CustomerRow | undefined {
  return useQuery({
    queryKey: ["customer", customer, name, identities.length],
    queryFn: () => get<CustomerRow>(`/customers/${customer}`),
    placeholderData: (before) => (before?.customer === customer ? before : undefined),
    staleTime: 15_000,
  }).data;
}

export function useSession(session: string | null): SessionDetail | undefined {
  return useQuery({
    queryKey: ["session", session],
    queryFn: () => get<SessionDetail>(`/sessions/${session}`),
    enabled: session !== null,
    // One that is still open goes on while it is read.
    refetchInterval: ({ state }) => (state.data && !state.data.ended ? 3_000 : false),
  }).data;
}

/** The journal of a session that is not on my desk yet, kept up to date by what the event stream tells of it. */
export function useEntries(session: string): readonly Entry[] {
  const queries = useQueryClient();
  const live = useDesk((state) => state.journals.get(session)) ?? EMPTY;
  const { data } = useQuery({
    queryKey: ["entries", session],
    queryFn: () => get<Entry[]>(`/sessions/${session}/entries?after=0`),
  });
  useEffect(() => () => queries.removeQueries({ queryKey: ["entries", session] }), [queries, session]);
  return useMemo(() => merge(data ?? EMPTY, live), [data, live]);
}
