import {
  Button,
  Checkbox,
  Group,
  Modal,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  TagsInput,
  TextInput,
} from "@mantine/core";
import { IconUserPlus } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiFailure, get, post, request } from "../api/client";
import type { Encryption, QueueStatus, Role, UserRow } from "../api/types";
import { Tag } from "../ui/common";
import { complain } from "../ui/complain";
import classes from "./pages.module.css";

const ROLES: Role[] = ["operator", "supervisor", "admin"];
const ENCRYPTION: Encryption[] = ["refused", "accepted", "offered", "required", "required_dtls"];
/** A user before he is saved. */
type Draft = Omit<UserRow, "id" | "locale" | "sip_usernames" | "routing"> & {
  id?: string;
  routing: Partial<UserRow["routing"]>;
};

const NEW: Draft = {
  ...{ login: "", name: "", roles: ["operator"], queues: [] },
  ...{ capacity: { voice: 1, chat: 3 }, encryption: "accepted", routing: {} },
};

/** `ru 10`, as skills are shown and written. */
const skillTags = (skills: Record<string, number> = {}) =>
  Object.entries(skills).map(([name, level]) => `${name} ${level}`);
const skillsOf = (tags: string[]) =>
  Object.fromEntries(
    tags.map((tag) => {
      const [name = "", level] = tag.trim().split(/[\s:=]+/);
      return [name, Number(level ?? 1) || 0];
    }),
  );

export function UsersPage() {
  const { t } = useTranslation();
  const { data } = useQuery({ queryKey: ["users"], queryFn: () => get<UserRow[]>("/users") });
  const [edited, setEdited] = useState<Draft | null>(null);
  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <h1>{t("nav.users")}</h1>
        <Button leftSection={<IconUserPlus size={16} />} onClick={() => setEdited(NEW)} data-testid="user-new">
          {t("users.new")}
        </Button>
      </div>
      <div className={`${classes.sheet} scroll`}>
        <table className={classes.table} data-testid="users-table">
          <thead>
            <tr>
              <th>{t("users.name")}</th>
              <th>{t("users.login")}</th>
              <th>{t("users.roles")}</th>
              <th>{t("users.queues")}</th>
              <th className={classes.right}>{t("users.calls")}</th>
              <th className={classes.right}>{t("users.chats")}</th>
            </tr>
          </thead>
          <tbody>
            {(data ?? []).map((user) => (
              <tr
                key={user.login}
                data-link
                tabIndex={0}
                onClick={() => setEdited(user)}
                onKeyDown={({ key }) => key === "Enter" && setEdited(user)}
                data-testid="user-row"
              >
                <td>{user.name}</td>
                <td className="dim">{user.login}</td>
                <td>
                  <Group gap={4}>
                    {user.roles.map((role) => (
                      <Tag key={role} tone={role === "operator" ? "neutral" : "accent"}>
                        {t(`role.${role}`)}
                      </Tag>
                    ))}
                  </Group>
                </td>
                <td className="dim">{user.queues.join(", ") || "—"}</td>
                <td className={`${classes.right} num`}>{user.capacity.voice}</td>
                <td className={`${classes.right} num`}>{user.capacity.chat}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {edited && <Form key={edited.login} user={edited} onClose={() => setEdited(null)} />}
    </div>
  );
}

function Form({ user, onClose }: { user: Draft; onClose(): void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const { data: queues } = useQuery({ queryKey: ["queues"], queryFn: () => get<QueueStatus[]>("/queues") });
  const [draft, setDraft] = useState(user);
  const [password, setPassword] = useState("");
  const [sipPassword, setSipPassword] = useState("");
  const [wrong, setWrong] = useState<{ field: string; message: string } | null>(null);
  const [sure, setSure] = useState(false);
  const { id } = user;
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const errorOf = (field: string) => (wrong?.field === field ? wrong.message : undefined);

  const run = async (work: () => Promise<unknown>) => {
    setWrong(null);
    try {
      await work();
      await queries.invalidateQueries({ queryKey: ["users"] });
      onClose();
    } catch (error) {
      if (error instanceof ApiFailure && error.field) setWrong({ field: error.field, message: error.message });
      else complain(error);
    }
  };
  const save = () => {
    const { login, name, roles, queues, capacity, encryption, routing } = draft;
    const body = {
      ...{ name: name.trim(), roles, queues, capacity, encryption, routing },
      ...(password ? { password } : {}),
      ...(sipPassword ? { sip_password: sipPassword } : {}),
    };
    return run(() => (id ? request("PATCH", `/users/${id}`, body) : post("/users", { login: login.trim(), ...body })));
  };

  return (
    <Modal opened onClose={onClose} title={id ? user.name : t("users.new")} size={460}>
      <form
        data-testid="user-form"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Stack gap={14}>
          <TextInput
            label={t("users.name")}
            value={draft.name}
            onChange={({ currentTarget }) => change({ name: currentTarget.value })}
            error={errorOf("name")}
            required
            withAsterisk={false}
            data-testid="user-name-input"
          />
          <TextInput
            label={t("users.login")}
            value={draft.login}
            onChange={({ currentTarget }) => change({ login: currentTarget.value })}
            error={errorOf("login")}
            disabled={id !== undefined}
            required
            withAsterisk={false}
            autoComplete="off"
            data-testid="user-login-input"
          />
          <PasswordInput
            label={t("users.password")}
            placeholder={id ? t("users.unchanged") : undefined}
            value={password}
            onChange={({ currentTarget }) => setPassword(currentTarget.value)}
            error={errorOf("password")}
            required={!id}
            withAsterisk={false}
            autoComplete="new-password"
            data-testid="user-password-input"
          />
          <Checkbox.Group
            error={errorOf("roles")}
            label={t("users.roles")}
            value={draft.roles}
            onChange={(roles) => change({ roles: roles as Role[] })}
          >
            <Group mt={6}>
              {ROLES.map((role) => (
                <Checkbox key={role} value={role} label={t(`role.${role}`)} />
              ))}
            </Group>
          </Checkbox.Group>
          <TagsInput
            label={t("users.queues")}
            data={(queues ?? []).map((queue) => queue.name)}
            value={draft.queues}
            onChange={(queues) => change({ queues })}
            error={errorOf("queues")}
          />
          <Group grow>
            <NumberInput
              label={t("users.calls")}
              min={0}
              max={1}
              value={draft.capacity.voice}
              onChange={(value) => change({ capacity: { ...draft.capacity, voice: Number(value) } })}
            />
            <NumberInput
              label={t("users.chats")}
              min={0}
              max={20}
              value={draft.capacity.chat}
              onChange={(value) => change({ capacity: { ...draft.capacity, chat: Number(value) } })}
            />
          </Group>
          <TagsInput
            label={t("users.skills")}
            description={t("users.skills_about")}
            value={skillTags(draft.routing.skills)}
            onChange={(tags) => change({ routing: { ...draft.routing, skills: skillsOf(tags) } })}
            error={errorOf("routing")}
            data-testid="user-skills"
          />
          <Checkbox
            label={t("users.auto_answer")}
            checked={draft.routing.auto_answer ?? false}
            onChange={({ currentTarget }) =>
              change({ routing: { ...draft.routing, auto_answer: currentTarget.checked } })
            }
          />
          <PasswordInput
            label={t("users.sip_password")}
            description={t("users.sip_password_about")}
            placeholder={id ? t("users.unchanged") : undefined}
            value={sipPassword}
            onChange={({ currentTarget }) => setSipPassword(currentTarget.value)}
            error={errorOf("sip_password")}
            autoComplete="new-password"
          />
          <Select
            label={t("users.encryption")}
            description={t("users.encryption_about")}
            data={ENCRYPTION.map((value) => ({ value, label: t(`users.encryption_of.${value}`) }))}
            value={draft.encryption}
            onChange={(encryption) => encryption && change({ encryption: encryption as Encryption })}
            allowDeselect={false}
            data-testid="user-encryption"
          />
          <Group justify="space-between" mt={4}>
            {id ? (
              <Button
                color="red"
                variant={sure ? "filled" : "subtle"}
                onClick={() => (sure ? void run(() => request("DELETE", `/users/${id}`)) : setSure(true))}
                data-testid="user-delete"
              >
                {t(sure ? "users.delete_sure" : "users.delete")}
              </Button>
            ) : (
              <span />
            )}
            <Button type="submit" data-testid="user-save">
              {t("users.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
