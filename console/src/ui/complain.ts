import { notifications } from "@mantine/notifications";
import { ApiFailure } from "../api/client";
import { i18n } from "../i18n";

/** A refusal's code in the reader's language, else what the server said of it. */
export function refusalText(code: string, message = code): string {
  const key = `refusal.${code}`;
  return i18n.exists(key) ? i18n.t(key as never) : message;
}

/** Shows why a command was not carried out. */
export function complain(error: unknown): void {
  const message = error instanceof ApiFailure ? refusalText(error.code, error.message) : String(error);
  notifications.show({ message, color: "red", withBorder: true, autoClose: 6000 });
}
