import { Tooltip, UnstyledButton } from "@mantine/core";
import type { ReactNode } from "react";
import panel from "./CallPanel.module.css";

type KeyProps = {
  label: string;
  testid: string;
  /** Of a key that stays down. */
  on?: boolean;
  className?: string;
  onClick(): void;
  children: ReactNode;
};

/** A key of the call: a picture, and its name when somebody points at it. */
export function Key({ label, testid, on, className = panel.key, onClick, children }: KeyProps) {
  return (
    <Tooltip label={label}>
      <UnstyledButton
        className={className}
        data-on={on || undefined}
        aria-pressed={on}
        aria-label={label}
        data-testid={testid}
        onClick={onClick}
      >
        {children}
      </UnstyledButton>
    </Tooltip>
  );
}
