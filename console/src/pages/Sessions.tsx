import { Button, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { CustomerRow, SessionRow } from "../api/types";
import { duration, moment } from "../lib/format";
import { MediaIcons, Tag } from "../ui/common";
import { SessionDrawer } from "../ui/desk/CustomerCard";
import { endingText } from "../ui/desk/EventText";
import { dispositionText } from "../ui/desk/TimelineView";
import classes from "./pages.module.css";

const PAGE = 50;
type Found = Pick<CustomerRow, "customer" | "name" | "identities">;

export function SessionsPage() {
  const { t, i18n } = useTranslation();
  const [text, setText] = useState("");
  const [words] = useDebouncedValue(text.trim(), 250);
  const [customer, setCustomer] = useState<string | null>(null);
  const [state, setState] = useState("all");
  const [opened, setOpened] = useState<string | null>(null);

  const found = useQuery({
    queryKey: ["customers", words],
    queryFn: () => get<Found[]>(`/customers?q=${encodeURIComponent(words)}`),
    enabled: words.length >= 2,
  });
  const { data, fetchNextPage, hasNextPage, isFetching } = useInfiniteQuery({
    queryKey: ["sessions", customer, state],
    queryFn: ({ pageParam }) => {
      const query = new URLSearchParams({ limit: String(PAGE) });
      if (customer) query.set("customer", customer);
      if (state !== "all") query.set("state", state);
      if (pageParam) query.set("before", String(pageParam));
      return get<SessionRow[]>(`/sessions?${query}`);
    },
    initialPageParam: 0,
    getNextPageParam: (page: SessionRow[]) => (page.length === PAGE ? page.at(-1)?.opened : undefined),
    refetchInterval: 15_000,
  });
  const rows = data?.pages.flat() ?? [];

  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <h1>{t("nav.sessions")}</h1>
        <TextInput
          leftSection={<IconSearch size={15} />}
          placeholder={t("sessions.search")}
          aria-label={t("sessions.search")}
          value={text}
          onChange={({ currentTarget }) => {
            setText(currentTarget.value);
            setCustomer(null);
          }}
          w={290}
          data-testid="sessions-search"
        />
        {words.length >= 2 && (
          <Select
            w={240}
            clearable
            placeholder={t("sessions.found", { count: found.data?.length ?? 0 })}
            aria-label={t("sessions.customer")}
            data={(found.data ?? []).map((one) => ({
              value: one.customer,
              label: one.name ?? one.identities[0]?.identity.value ?? t("customer.unknown"),
            }))}
            value={customer}
            onChange={setCustomer}
            data-testid="sessions-customer"
          />
        )}
        <SegmentedControl
          size="sm"
          value={state}
          onChange={setState}
          data={(["all", "open", "closed"] as const).map((value) => ({ value, label: t(`sessions.${value}`) }))}
        />
      </div>
      <div className={`${classes.sheet} scroll`}>
        <table className={classes.table} data-testid="sessions-table">
          <thead>
            <tr>
              <th>{t("sessions.opened")}</th>
              <th aria-label={t("sessions.media")} />
              <th>{t("sessions.customer")}</th>
              <th>{t("sessions.queue")}</th>
              <th>{t("sessions.operator")}</th>
              <th className={classes.right}>{t("sessions.length")}</th>
              <th>{t("sessions.result")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr
                key={row.session}
                data-link
                tabIndex={0}
                onClick={() => setOpened(row.session)}
                onKeyDown={({ key }) => key === "Enter" && setOpened(row.session)}
                data-testid="session-row"
                data-session={row.session}
              >
                <td className="num">{moment(row.opened, i18n.language)}</td>
                <td>
                  <MediaIcons media={row.media} />
                </td>
                <td>{row.customer.name ?? <span className="dim">{t("customer.unknown")}</span>}</td>
                <td className="dim">{row.queue ?? "—"}</td>
                <td>{row.owner?.name ?? <span className="dim">—</span>}</td>
                <td className={`${classes.right} num`}>
                  {row.ended ? duration((row.ended - row.opened) / 1000) : <Tag tone="live">{t("session.open")}</Tag>}
                </td>
                <td>
                  {row.disposition ? (
                    <Tag>{dispositionText(row.disposition, t)}</Tag>
                  ) : (
                    row.ending && <span className="dim">{endingText(row.ending, t)}</span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length === 0 && !isFetching && (
          <p className="dim" style={{ padding: "0 14px" }}>
            {t("sessions.none")}
          </p>
        )}
        {hasNextPage && (
          <Button variant="subtle" m={10} onClick={() => fetchNextPage()} loading={isFetching}>
            {t("more")}
          </Button>
        )}
      </div>
      <SessionDrawer session={opened} onClose={() => setOpened(null)} />
    </div>
  );
}
