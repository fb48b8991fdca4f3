import { Center, Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  Outlet,
} from "@tanstack/react-router";
import { useEffect } from "react";
import { ApiFailure, get } from "../api/client";
import type { Me } from "../api/types";
import { followLocale } from "../i18n";
import { DeskPage } from "../pages/Desk";
import { SignIn } from "../pages/SignIn";
import { Attention } from "../ui/Attention";
import { Header } from "../ui/Header";
import { RecordingAlarm } from "../ui/RecordingAlarm";
import { SupervisingBar } from "../ui/Supervising";
import { goLive, stopLive, useLive } from "./live";
import classes from "./Shell.module.css";

function Shell() {
  const { data: me, isPending } = useQuery({
    queryKey: ["me"],
    queryFn: () =>
      get<Me>("/me").catch((error: unknown) => {
        if (error instanceof ApiFailure && error.status === 401) return null;
        throw error;
      }),
    retry: true,
    retryDelay: 1500,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const wish = me?.locale;
  useEffect(() => {
    if (wish) followLocale(wish);
  }, [wish]);
  // Only when the signed-in page is gone: its parts count on their live things until then.
  useEffect(() => {
    if (me === null) stopLive();
  }, [me]);
  if (isPending) {
    return (
      <Center h="100%">
        <Loader size="sm" />
      </Center>
    );
  }
  if (!me) return <SignIn />;
  goLive(me);
  return (
    <div className={classes.shell} key={me.agent}>
      <Header />
      <Attention />
      <RecordingAlarm />
      <SupervisingBar />
      <div className={classes.page}>
        <Outlet />
      </div>
    </div>
  );
}

/** The desk is for operators; others begin with what they came for. */
function Start() {
  const { me } = useLive();
  if (me.roles.includes("operator")) return <DeskPage />;
  return <Navigate to={me.roles.includes("supervisor") ? "/floor" : "/users"} replace />;
}

const root = createRootRoute({ component: Shell });
const page = (path: string, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => root, path, component });

const routes = root.addChildren([
  createRoute({ getParentRoute: () => root, path: "/", component: Start }),
  page(
    "/sessions",
    lazyRouteComponent(() => import("../pages/Sessions"), "SessionsPage"),
  ),
  page(
    "/recordings",
    lazyRouteComponent(() => import("../pages/Recordings"), "RecordingsPage"),
  ),
  page(
    "/floor",
    lazyRouteComponent(() => import("../pages/Floor"), "FloorPage"),
  ),
  page(
    "/wallboard",
    lazyRouteComponent(() => import("../pages/Wallboard"), "WallboardPage"),
  ),
  page(
    "/reports",
    lazyRouteComponent(() => import("../pages/Reports"), "ReportsPage"),
  ),
  page(
    "/dialplans",
    lazyRouteComponent(() => import("../pages/Dialplans"), "DialplansPage"),
  ),
  page(
    "/users",
    lazyRouteComponent(() => import("../pages/Users"), "UsersPage"),
  ),
]);

export const router = createRouter({ routeTree: routes, basepath: "/console", defaultPreload: "intent" });
