/** @jsxImportSource preact */
import type { ComponentChildren } from "preact";

function icon(children: ComponentChildren, size = 20) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

const handset = "M5 4h4l2 5-2.5 1.5a11 11 0 0 0 5 5L15 13l5 2v4a2 2 0 0 1-2 2A16 16 0 0 1 3 6a2 2 0 0 1 2-2";

export const bubble = icon(
  <>
    <path d="M12 4c5 0 9 3.1 9 7.2s-4 7.3-9 7.3c-1 0-2-.1-2.9-.4L4.5 20l1-3.5C3.9 15.2 3 13.3 3 11.2 3 7.1 7 4 12 4z" />
    <path d="M8.5 10h7M8.5 13h4.5" />
  </>,
  28,
);
export const down = icon(<path d="m6 9 6 6 6-6" />, 22);
export const back = icon(<path d="m15 6-6 6 6 6" />);
export const phone = icon(<path d={handset} />);
export const hang = icon(
  <g transform="rotate(135 12 12)">
    <path d={handset} />
  </g>,
);
export const mic = icon(
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5 11a7 7 0 0 0 14 0M12 18v3" />
  </>,
);
export const micOff = icon(
  <path d="M9 9v2a3 3 0 0 0 4.5 2.6M15 11V6a3 3 0 0 0-5.7-1.3M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.5 2.6M12 18v3M4 4l16 16" />,
);
export const hash = icon(<path d="M9 4 7 20M17 4l-2 16M4 9h16M4 15h16" />);
export const send = icon(<path d="M4 12 20 4l-5 16-3.5-6.5zM11.5 13.5 20 4" />);
