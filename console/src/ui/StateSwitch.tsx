import { Menu, UnstyledButton } from "@mantine/core";
import {
  IconBook2,
  IconChevronDown,
  IconCoffee,
  IconDots,
  IconPlayerPlayFilled,
  IconToolsKitchen2,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { command } from "../api/client";
import type { AgentStatus } from "../api/types";
import { useDesk } from "../app/live";
import { Dot, Elapsed } from "./common";
import { complain } from "./complain";
import classes from "./Header.module.css";

export const NOT_READY_REASONS = ["break", "lunch", "training", "other"] as const;
/** `declined` is set by the server after an offer that was declined. */
const KNOWN_REASONS = [...NOT_READY_REASONS, "declined"] as const;
type Known = (typeof KNOWN_REASONS)[number];
const ICONS = { break: IconCoffee, lunch: IconToolsKitchen2, training: IconBook2, other: IconDots };

export function useStatusText(): (status: AgentStatus) => string {
  const { t } = useTranslation();
  return (status) => {
    if (status.state !== "not_ready") return t(`status.${status.state}`);
    const known = (KNOWN_REASONS as readonly string[]).includes(status.reason);
    return known ? t(`reason.${status.reason as Known}`) : status.reason || t("status.not_ready");
  };
}

export function statusTone(status: AgentStatus) {
  if (status.state === "ready") return "live" as const;
  return status.state === "not_answering" ? ("danger" as const) : ("warn" as const);
}

export function StateSwitch() {
  const { t } = useTranslation();
  const text = useStatusText();
  const desk = useDesk((state) => state.desk);
  const set = (status: AgentStatus) => command({ command: "set_status", status }).catch(complain);
  const status: AgentStatus = desk?.status ?? { state: "signed_out" };
  return (
    <Menu position="bottom-end" width={230} shadow="md">
      <Menu.Target>
        <UnstyledButton className={classes.control} data-testid="state-select" data-state={status.state}>
          <Dot tone={statusTone(status)} />
          {text(status)}
          {desk && <Elapsed since={desk.since} />}
          <IconChevronDown size={14} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<IconPlayerPlayFilled size={15} color="var(--live)" />}
          onClick={() => set({ state: "ready" })}
          data-testid="state-ready"
        >
          {t("status.ready")}
        </Menu.Item>
        <Menu.Label>{t("status.not_ready")}</Menu.Label>
        {NOT_READY_REASONS.map((reason) => {
          const Icon = ICONS[reason];
          return (
            <Menu.Item
              key={reason}
              leftSection={<Icon size={15} stroke={1.7} />}
              onClick={() => set({ state: "not_ready", reason })}
              data-testid={`state-${reason}`}
            >
              {t(`reason.${reason}`)}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
