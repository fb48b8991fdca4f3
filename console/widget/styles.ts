export const css = `
:host { all: initial; position: fixed; z-index: 2147483000; right: 0; bottom: 0; }
.root {
  --accent: var(--tandem-accent, #2f5bd7);
  --on-accent: var(--tandem-on-accent, #fff);
  --bg: #fff; --sunken: #f6f7f9; --ink: #1a1e24; --dim: #626c78; --line: #e4e7eb; --bad: #b92f2c; --mine: color-mix(in srgb, var(--accent) 15%, #fff);
  font: 400 15px/1.45 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink);
}
.root[data-theme=dark] { --bg: #1b1e23; --sunken: #15181c; --ink: #e7eaee; --dim: #9aa3ae; --line: #2f353c; --bad: #f08782; --mine: color-mix(in srgb, var(--accent) 38%, #1b1e23); color-scheme: dark; }
.root *, .root *::before { box-sizing: border-box; }
button, input, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; padding: 0; }
button:disabled { cursor: default; opacity: .45; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.launcher {
  position: fixed; right: 22px; bottom: 22px; display: grid; place-items: center; width: 58px; height: 58px; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); box-shadow: 0 4px 14px #0003, 0 10px 30px #00000026; transition: transform .15s;
}
.launcher:hover { transform: translateY(-2px); }
.badge {
  position: absolute; top: -3px; right: -3px; min-width: 22px; padding: 0 6px; border: 2px solid #fff; border-radius: 11px; background: #d13d3a; color: #fff;
  font-size: 12px; font-weight: 650; line-height: 19px; text-align: center;
}
.live { position: absolute; inset: -5px; border: 2px solid #2fa866; border-radius: 50%; animation: pulse 1.6s infinite; }
.panel {
  position: fixed; right: 22px; bottom: 94px; display: flex; flex-direction: column; width: 376px; height: min(620px, calc(100vh - 118px)); height: min(620px, calc(100dvh - 118px));
  overflow: hidden; border-radius: 18px; background: var(--bg); box-shadow: 0 2px 8px #0000001a, 0 18px 60px #00000038; animation: rise .18s ease-out;
}
.head { display: flex; align-items: center; gap: 4px; padding: 14px 12px 13px 18px; background: var(--accent); color: var(--on-accent); }
.head :focus-visible { outline-color: var(--on-accent); }
.who { flex: 1; min-width: 0; }
.who b { display: block; font-size: 16px; font-weight: 650; line-height: 1.3; }
.who .line { display: block; overflow: hidden; font-size: 13px; opacity: .88; text-overflow: ellipsis; white-space: nowrap; }
.icon { display: grid; place-items: center; flex: none; width: 38px; height: 38px; border-radius: 10px; }
.icon:hover { background: #ffffff26; }
.head > .icon:first-child { margin-left: -10px; }
.log { flex: 1; display: flex; flex-direction: column; min-height: 0; padding: 16px; overflow-y: auto; overscroll-behavior: contain; background: var(--sunken); scrollbar-width: thin; }
.log:focus-visible { outline-offset: -3px; }
.log > .line { display: flex; flex-direction: column; align-items: flex-start; max-width: 86%; margin-top: 6px; }
.log > :first-child { margin-top: auto; }
.log > .line.mine { align-items: flex-end; align-self: flex-end; }
.author { margin: 8px 4px 3px; color: var(--dim); font-size: 12.5px; }
.bubble {
  max-width: 100%; padding: 8px 13px; border: 1px solid var(--line); border-radius: 16px; border-bottom-left-radius: 5px; background: var(--bg);
  overflow-wrap: anywhere; white-space: pre-wrap;
}
.mine .bubble { border-color: transparent; border-radius: 16px; border-bottom-right-radius: 5px; background: var(--mine); }
.bubble.waiting { opacity: .6; }
.bubble a { color: inherit; text-underline-offset: 2px; }
.receipt { margin: 3px 4px 0; color: var(--dim); font-size: 12px; }
.greeting { margin: auto auto 8px; padding: 0 20px; color: var(--dim); text-align: center; }
.done { align-self: center; margin: 12px 0 2px; color: var(--dim); font-size: 13px; text-align: center; }
.wrong { display: block; margin-top: 5px; color: var(--bad); font-size: 13px; font-weight: 400; }
.typing { display: flex; gap: 4px; align-self: flex-start; margin-top: 10px; padding: 12px 14px; border: 1px solid var(--line); border-radius: 16px; border-bottom-left-radius: 5px; background: var(--bg); }
.typing i { width: 6px; height: 6px; border-radius: 50%; background: var(--dim); animation: hop 1.2s infinite; }
.typing i:nth-child(2) { animation-delay: .15s; } .typing i:nth-child(3) { animation-delay: .3s; }
.closed { display: grid; gap: 10px; justify-items: center; margin-top: 18px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--dim); }
.closed p { margin: 0; }
.choices { display: flex; flex-wrap: wrap; gap: 8px; justify-content: flex-end; padding: 0 16px 10px; background: var(--sunken); }
.choice { padding: 7px 15px; border: 1.5px solid var(--accent); border-radius: 20px; color: color-mix(in srgb, var(--accent) 88%, var(--ink)); font-weight: 550; }
.choice:hover { background: var(--accent); color: var(--on-accent); }
.composer { display: flex; align-items: flex-end; gap: 8px; padding: 10px 10px 10px 16px; border-top: 1px solid var(--line); }
.composer textarea { flex: 1; min-height: 40px; max-height: 120px; padding: 9px 0; border: 0; background: none; outline: 0; line-height: 1.45; resize: none; }
.composer textarea::placeholder, input::placeholder { color: var(--dim); opacity: 1; }
.sendButton { display: grid; flex: none; place-items: center; width: 40px; height: 40px; border-radius: 12px; background: var(--accent); color: var(--on-accent); }
.sendButton:disabled { background: var(--line); color: var(--dim); opacity: 1; }
.banner { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin: 0; padding: 9px 16px; border-bottom: 1px solid var(--line); background: color-mix(in srgb, #e5a743 18%, var(--bg)); font-size: 13.5px; }
.banner.bad { background: color-mix(in srgb, #d13d3a 14%, var(--bg)); }
.banner.invite { background: color-mix(in srgb, var(--accent) 14%, var(--bg)); }
.banner.invite span { flex: 1 1 100%; }
.form { display: flex; flex-direction: column; gap: 12px; flex: 1; padding: 22px 20px; overflow-y: auto; }
.form h2 { margin: 0; font-size: 18px; font-weight: 650; }
.form p { margin: -6px 0 4px; color: var(--dim); }
.form label { display: block; font-size: 13.5px; font-weight: 550; }
.form input { display: block; width: 100%; margin-top: 5px; padding: 10px 12px; border: 1.5px solid var(--line); border-radius: 11px; background: var(--bg); font-size: 16px; font-weight: 400; }
.form input:focus { border-color: var(--accent); outline: 0; }
.form input[aria-invalid=true] { border-color: var(--bad); }
.form .codeInput { font-size: 28px; font-variant-numeric: tabular-nums; font-weight: 600; letter-spacing: .22em; text-align: center; }
.primary { padding: 11px 18px; border-radius: 11px; background: var(--accent); color: var(--on-accent); font-weight: 600; }
.plain { padding: 10px 18px; border-radius: 11px; color: var(--dim); font-weight: 550; }
.plain:hover { background: var(--sunken); }
.small { padding: 6px 13px; border-radius: 9px; }
.link { color: color-mix(in srgb, var(--accent) 88%, var(--ink)); font-size: 13.5px; text-decoration: underline; text-underline-offset: 3px; }
.form .link { margin-top: auto; padding: 6px; }
.ways { display: flex; flex-direction: column; gap: 8px; flex: 1; padding: 16px; overflow-y: auto; }
.way { display: flex; align-items: center; gap: 14px; padding: 12px 14px; border: 1px solid var(--line); border-radius: 14px; text-align: left; }
.way:hover:enabled { border-color: var(--accent); }
.way b { display: block; font-weight: 600; }
.way small { color: var(--dim); font-size: 13px; }
.wayIcon { display: grid; flex: none; place-items: center; width: 42px; height: 42px; border-radius: 12px; background: color-mix(in srgb, var(--accent) 13%, var(--bg)); color: color-mix(in srgb, var(--accent) 80%, var(--ink)); }
.ways .plain { margin-top: auto; }
.call { display: flex; align-items: center; gap: 8px; padding: 8px 10px 8px 18px; background: #15663f; color: #fff; }
.callText { flex: 1; font-weight: 550; }
.callText b { margin-left: 8px; font-variant-numeric: tabular-nums; font-weight: 550; opacity: .85; }
.pulse { width: 9px; height: 9px; border-radius: 50%; background: #ffd27a; animation: fade 1.2s infinite; }
.pulse.on { background: #7ee2ae; animation: none; }
.hang { background: #d13d3a; } .hang:hover { background: #b93230; }
.icon[aria-pressed=true] { background: #ffffff33; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@keyframes hop { 30% { opacity: .4; transform: translateY(-3px); } }
@keyframes fade { 50% { opacity: .35; } }
@keyframes pulse { 50% { opacity: .3; transform: scale(1.06); } }
@keyframes rise { from { opacity: 0; transform: translateY(12px); } }
@media (max-width: 480px) {
  .panel { inset: 0; width: auto; height: auto; border-radius: 0; }
  .panel ~ .launcher { display: none; }
  .launcher { right: 16px; bottom: 16px; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
`;
