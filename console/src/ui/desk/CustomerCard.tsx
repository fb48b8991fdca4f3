import { ActionIcon, Drawer, TextInput, Tooltip, UnstyledButton } from "@mantine/core";
import { IconAt, IconBrowser, IconCheck, IconPencil, IconPhone } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { CustomerView, Identity, SessionRow } from "../../api/types";
import { useLive } from "../../app/live";
import { useAgentNames, useCustomer, useSession } from "../../app/queries";
import { identityText, initials, moment } from "../../lib/format";
import { MediaIcons, Tag } from "../common";
import { complain } from "../complain";
import classes from "./CustomerCard.module.css";
import { LadderModal } from "./Ladder";
import { Facts } from "./OfferCard";
import { RecordingSwitch } from "./RecordingSwitch";
import { dispositionText, TimelineView } from "./TimelineView";

type Props = {
  customer: CustomerView;
  context: Record<string, string>;
  session: string;
  /** Only the owner of a session may rename its customer. */
  editable: boolean;
};

export function CustomerCard({ customer, context, session, editable }: Props) {
  const { t } = useTranslation();
  const detail = useCustomer(customer);
  const [opened, setOpened] = useState<string | null>(null);
  const earlier = (detail?.sessions ?? []).filter((row) => row.session !== session);
  const evidence = (identity: Identity) =>
    detail?.identities.find((one) => one.identity.kind === identity.kind && one.identity.value === identity.value)
      ?.evidence;
  return (
    <aside className={`${classes.card} scroll`} data-testid="customer-card">
      <div className={classes.who}>
        <span className={classes.avatar} aria-hidden>
          {customer.name ? initials(customer.name) : "?"}
        </span>
        <Name key={customer.customer} customer={customer} session={session} editable={editable} />
      </div>

      <section>
        <h2 className="eyebrow">{t("customer.identities")}</h2>
        <ul className={classes.identities}>
          {customer.identities.map((identity) => {
            const why = evidence(identity);
            return (
              <li key={`${identity.kind}${identity.value}`}>
                <IdentityIcon kind={identity.kind} />
                <span className="num clip">
                  {identity.kind === "visitor"
                    ? t("customer.browser", { id: identityText(identity) })
                    : identityText(identity)}
                </span>
                {why && <span className={classes.evidence}>{t(`evidence.${why}`)}</span>}
              </li>
            );
          })}
        </ul>
      </section>

      {Object.keys(context).length > 0 && (
        <section data-testid="customer-context">
          <h2 className="eyebrow">{t("customer.context")}</h2>
          <Facts context={context} />
        </section>
      )}

      <section className={classes.earlier}>
        <h2 className="eyebrow">
          {t("customer.earlier")} <span className="num">{customer.earlier_sessions || ""}</span>
        </h2>
        {earlier.length === 0 && <p className="dim">{t("customer.first_time")}</p>}
        {earlier.map((row) => (
          <Earlier key={row.session} row={row} onOpen={() => setOpened(row.session)} />
        ))}
      </section>
      <SessionDrawer session={opened} onClose={() => setOpened(null)} />
    </aside>
  );
}

function Name({ customer, session, editable }: Omit<Props, "context">) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [draft, setDraft] = useState<string | null>(null);
  const save = async () => {
    const name = draft?.trim() ?? "";
    setDraft(null);
    if (!name || name === customer.name) return;
    try {
      await command({ command: "set_customer_name", session, name });
      await queries.invalidateQueries({ queryKey: ["customer", customer.customer] });
    } catch (error) {
      complain(error);
    }
  };
  if (draft !== null) {
    return (
      <TextInput
        className={classes.nameInput}
        value={draft}
        onChange={({ currentTarget }) => setDraft(currentTarget.value)}
        onBlur={save}
        onKeyDown={({ key }) => {
          if (key === "Enter") void save();
          if (key === "Escape") setDraft(null);
        }}
        maxLength={120}
        autoFocus
        aria-label={t("customer.name")}
        data-testid="customer-name-input"
        rightSection={<IconCheck size={15} />}
      />
    );
  }
  return (
    <>
      <span className={classes.name} data-testid="customer-name">
        {customer.name ?? t("customer.unknown")}
      </span>
      {editable && (
        <Tooltip label={t("customer.rename")}>
          <ActionIcon
            onClick={() => setDraft(customer.name ?? "")}
            aria-label={t("customer.rename")}
            data-testid="customer-rename"
          >
            <IconPencil size={15} />
          </ActionIcon>
        </Tooltip>
      )}
    </>
  );
}

function IdentityIcon({ kind }: { kind: Identity["kind"] }) {
  const props = { size: 15, stroke: 1.7 };
  switch (kind) {
    case "phone":
      return <IconPhone {...props} />;
    case "email":
      return <IconAt {...props} />;
    case "visitor":
      return <IconBrowser {...props} />;
  }
}

function Earlier({ row, onOpen }: { row: SessionRow; onOpen(): void }) {
  const { t, i18n } = useTranslation();
  return (
    <UnstyledButton className={classes.row} onClick={onOpen} data-testid="earlier-session" data-session={row.session}>
      <MediaIcons media={row.media} />
      <span className={classes.rowText}>
        <span className="num">{moment(row.opened, i18n.language)}</span>
        <span className="dim clip">{[row.queue, row.owner?.name].filter(Boolean).join(" · ")}</span>
      </span>
      {row.disposition ? (
        <Tag>{dispositionText(row.disposition, t)}</Tag>
      ) : (
        !row.ended && <Tag tone="live">{t("session.open")}</Tag>
      )}
    </UnstyledButton>
  );
}

/** Any session, to be read beside what one is doing. */
export function SessionDrawer({ session, onClose }: { session: string | null; onClose(): void }) {
  const { t, i18n } = useTranslation();
  const names = useAgentNames();
  const detail = useSession(session);
  const { me } = useLive();
  const [ladder, setLadder] = useState(false);
  const maySeeSip = me.roles.includes("supervisor") || me.roles.includes("admin");
  return (
    <Drawer
      opened={session !== null}
      onClose={onClose}
      position="right"
      size={600}
      overlayProps={{ backgroundOpacity: 0.25 }}
      title={
        detail && (
          <span>
            <b>{detail.customer.name ?? t("customer.unknown")}</b>{" "}
            <span className="dim num">{moment(detail.opened, i18n.language)}</span>
          </span>
        )
      }
      styles={{
        content: { display: "flex", flexDirection: "column" },
        body: { flex: 1, minHeight: 0, padding: 0, display: "flex" },
      }}
      data-testid="session-drawer"
    >
      {detail && (
        <TimelineView
          head={maySeeSip && <RecordingSwitch detail={detail} />}
          entries={detail.entries}
          names={names}
          customer={detail.customer.name}
          onLadder={maySeeSip ? () => setLadder(true) : undefined}
          page
        />
      )}
      <LadderModal session={ladder ? session : null} onClose={() => setLadder(false)} />
    </Drawer>
  );
}
