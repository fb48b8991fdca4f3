import classes from "./Header.module.css";

export function Logo({ size = 26 }: { size?: number }) {
  return (
    <span className={classes.logo}>
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="9" fill="#2f5bd7" />
        <g fill="none" stroke="#fff" strokeWidth="2.8">
          <circle cx="11.2" cy="16" r="5.4" />
          <circle cx="20.8" cy="16" r="5.4" />
        </g>
      </svg>
      Tandem
    </span>
  );
}
