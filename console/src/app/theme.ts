import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const cobalt: MantineColorsTuple = [
  "#eef2fe",
  "#dbe4fc",
  "#b6c7f8",
  "#8fa8f3",
  "#6d8dee",
  "#5077e6",
  "#3d67df",
  "#2f5bd7",
  "#264cba",
  "#1f3f9c",
];
const dark: MantineColorsTuple = [
  "#d5dae0",
  "#b6bdc6",
  "#9aa4af",
  "#6f7983",
  "#363c44",
  "#2c3238",
  "#21262b",
  "#191c20",
  "#14171a",
  "#0f1113",
];
const live: MantineColorsTuple = [
  "#e7f7ee",
  "#d0eedd",
  "#a2dcbc",
  "#70c998",
  "#48b97a",
  "#2fa866",
  "#21985a",
  "#1a864e",
  "#147243",
  "#0c5c35",
];

export const theme = createTheme({
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  headings: { fontWeight: "620" },
  primaryColor: "cobalt",
  primaryShade: { light: 7, dark: 6 },
  colors: { cobalt, live, dark },
  defaultRadius: "md",
  radius: { xs: "3px", sm: "5px", md: "7px", lg: "10px", xl: "16px" },
  cursorType: "pointer",
  components: {
    Button: { defaultProps: { size: "sm" } },
    TextInput: { defaultProps: { size: "sm" } },
    SegmentedControl: { styles: { root: { background: "var(--line)" } } },
    Tooltip: { defaultProps: { openDelay: 350, withArrow: false, fz: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.35 } } },
  },
});

// Mantine's own surfaces follow our palette (app.css).
const surfaces = {
  "--mantine-color-body": "var(--surface)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-dimmed": "var(--dim)",
  "--mantine-color-default": "var(--surface)",
  "--mantine-color-default-hover": "var(--hover)",
  "--mantine-color-default-border": "var(--line-strong)",
  "--mantine-color-placeholder": "var(--faint)",
};

export const resolver: CSSVariablesResolver = () => ({ variables: {}, light: surfaces, dark: surfaces });
