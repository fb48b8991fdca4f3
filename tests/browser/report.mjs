// What was found out, one JSON object a line on stdout. The Rust test that started this reads it.

/** Does one step; a failure is reported and ends the run, since the next step would build on it. */
export async function check(name, step) {
  const began = Date.now();
  try {
    const found = await step();
    const plain = typeof found === "string" || found?.constructor === Object;
    tell({ check: name, ok: true, ms: Date.now() - began, detail: plain ? found : undefined });
    return found;
  } catch (error) {
    tell({ check: name, ok: false, ms: Date.now() - began, detail: String(error?.stack ?? error).slice(0, 3000) });
    throw new Stopped(name);
  }
}

/** A check of the scenario has failed and is reported. */
export class Stopped extends Error {}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** Something that the Rust side goes on with. */
export function fact(name, value) {
  tell({ fact: name, value });
}

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
