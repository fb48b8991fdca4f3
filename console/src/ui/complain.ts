import { notifications } from "@mantine/notifications";
import { ApiFailure } from "../api/client";
import { i18n } from "../i18n";

/** Shows why a command was not carried out. Codes that we know are told in the reader's language. */
export function complain(error: unknown): void {
  const failure = error instanceof ApiFailure ? error : null;
  const key = `refusal.${failure?.code}`;
  const message = failure && i18n.exists(key) ? i18n.t(key as never) : (failure?.message ?? String(error));
  notifications.show({ message, color: "red", withBorder: true, autoClose: 6000 });
}
