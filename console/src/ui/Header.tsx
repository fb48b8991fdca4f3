import { ActionIcon, Menu, Tooltip, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { IconBell, IconBellOff, IconCheck, IconLogout, IconMoon, IconSun, IconVolume } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../api/client";
import { useDesk, useLive } from "../app/live";
import { LOCALES, setLocale } from "../i18n";
import { initials } from "../lib/format";
import { playMessage } from "../lib/sounds";
import classes from "./Header.module.css";
import { Logo } from "./Logo";
import { PhoneStatus } from "./PhoneStatus";
import { StateSwitch } from "./StateSwitch";

export function Header() {
  const { t } = useTranslation();
  const { me } = useLive();
  const link = useDesk((state) => state.link);
  const operator = me.roles.includes("operator");
  const supervisor = me.roles.includes("supervisor") || me.roles.includes("admin");
  const pages = [
    { to: "/", label: t("nav.desk"), shown: operator },
    { to: "/sessions", label: t("nav.sessions"), shown: true },
    { to: "/recordings", label: t("nav.recordings"), shown: true },
    { to: "/floor", label: t("nav.floor"), shown: supervisor },
    { to: "/wallboard", label: t("nav.wallboard"), shown: supervisor },
    { to: "/reports", label: t("nav.reports"), shown: supervisor },
    { to: "/dialplans", label: t("nav.dialplans"), shown: supervisor },
    { to: "/users", label: t("nav.users"), shown: me.roles.includes("admin") },
  ] as const;
  return (
    <header className={classes.header}>
      <Logo />
      <nav className={classes.nav} aria-label={t("nav.label")}>
        {pages
          .filter((page) => page.shown)
          .map((page) => (
            <Link
              key={page.to}
              to={page.to}
              className={classes.page}
              activeProps={{ "data-active": true }}
              activeOptions={{ exact: page.to === "/" }}
              data-testid={`nav-${page.to.slice(1) || "desk"}`}
            >
              {page.label}
            </Link>
          ))}
      </nav>
      <div className={classes.right}>
        {link === "down" && (
          <span className={classes.offline} role="status" data-testid="link-down">
            {t("link.down")}
          </span>
        )}
        {operator && (
          <>
            <PhoneStatus />
            <StateSwitch />
            <NotificationsButton />
          </>
        )}
        <UserMenu />
      </div>
    </header>
  );
}

function NotificationsButton() {
  const { t } = useTranslation();
  const supported = "Notification" in window;
  const [permission, setPermission] = useState(supported ? Notification.permission : "denied");
  if (permission === "granted") return null;
  const label = permission === "default" ? t("notifications.allow") : t("notifications.denied");
  return (
    <Tooltip label={label}>
      <ActionIcon
        size="lg"
        aria-label={label}
        data-testid="notifications-allow"
        data-disabled={permission !== "default" || undefined}
        className={classes.bell}
        onClick={async () => setPermission(await Notification.requestPermission())}
        aria-disabled={permission !== "default"}
      >
        {permission === "default" ? <IconBell size={18} stroke={1.7} /> : <IconBellOff size={18} stroke={1.7} />}
      </ActionIcon>
    </Tooltip>
  );
}

function UserMenu() {
  const { t, i18n } = useTranslation();
  const { me, phone } = useLive();
  const queries = useQueryClient();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const signOut = async () => {
    // The phone says goodbye while its password is still good.
    phone.stop();
    await new Promise((done) => setTimeout(done, 300));
    await post("/logout").catch(() => {});
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "me" });
    queries.setQueryData(["me"], null);
  };
  const tick = <IconCheck size={14} />;
  return (
    <Menu position="bottom-end" width={220} shadow="md">
      <Menu.Target>
        <UnstyledButton className={classes.user} data-testid="user-menu">
          <span className={classes.avatar} aria-hidden>
            {initials(me.name)}
          </span>
          <span className={`${classes.userName} clip`} data-testid="user-name">
            {me.name}
          </span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.login}</Menu.Label>
        {LOCALES.map(({ code, name }) => (
          <Menu.Item
            key={code}
            data-testid={`language-${code}`}
            rightSection={i18n.language === code ? tick : null}
            onClick={() => setLocale(code)}
          >
            {name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item
          leftSection={<IconSun size={15} />}
          rightSection={colorScheme === "light" ? tick : null}
          onClick={() => setColorScheme("light")}
        >
          {t("theme.light")}
        </Menu.Item>
        <Menu.Item
          leftSection={<IconMoon size={15} />}
          rightSection={colorScheme === "dark" ? tick : null}
          onClick={() => setColorScheme("dark")}
        >
          {t("theme.dark")}
        </Menu.Item>
        <Menu.Item rightSection={colorScheme === "auto" ? tick : null} onClick={() => setColorScheme("auto")}>
          {t("theme.auto")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconVolume size={15} />} onClick={playMessage}>
          {t("notifications.test")}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={15} />} onClick={signOut} data-testid="sign-out">
          {t("sign_out")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
