import { Button, PasswordInput, SegmentedControl, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiFailure, post } from "../api/client";
import type { Me } from "../api/types";
import { LOCALES, setLocale } from "../i18n";
import { Logo } from "../ui/Logo";
import classes from "./SignIn.module.css";

export function SignIn() {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      queries.setQueryData(["me"], await post<Me>("/login", { login: login.trim(), password }));
    } catch (failure) {
      const status = failure instanceof ApiFailure ? failure.status : 0;
      if (status === 400 || status === 401 || status === 403) setError(t("sign_in.wrong"));
      else setError(t(status === 429 ? "sign_in.too_often" : "sign_in.unreachable"));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className={classes.page}>
      <form
        className={classes.card}
        data-testid="login-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Logo size={34} />
        <h1>{t("sign_in.title")}</h1>
        <TextInput
          label={t("sign_in.login")}
          size="md"
          value={login}
          onChange={({ currentTarget }) => setLogin(currentTarget.value)}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
          withAsterisk={false}
          data-testid="login-name"
        />
        <PasswordInput
          label={t("sign_in.password")}
          size="md"
          value={password}
          onChange={({ currentTarget }) => setPassword(currentTarget.value)}
          autoComplete="current-password"
          required
          withAsterisk={false}
          data-testid="login-password"
        />
        {error && (
          <p className={classes.error} role="alert" data-testid="login-error">
            {error}
          </p>
        )}
        <Button type="submit" size="md" fullWidth loading={busy} data-testid="login-submit">
          {t("sign_in.submit")}
        </Button>
      </form>
      <SegmentedControl
        size="xs"
        value={i18n.language}
        onChange={setLocale}
        data={LOCALES.map(({ code, name }) => ({ value: code, label: name }))}
        aria-label={t("language")}
      />
    </div>
  );
}
