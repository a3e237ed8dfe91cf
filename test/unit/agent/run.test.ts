/** What a process takes on before it becomes an agent. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runAgent } from "../../../src/agent/run.ts";

const it = suite("run");
const kept = 10;
const pieces = 8192;

it("keeps little memory for a small buffer that is kept", async () => {
  const flags = { name: "not a name" };
  const print = (): void => undefined;
  let refused = false;
  await runAgent({ mode: "agent", flags, env: {}, print }).catch(() => (refused = true));
  assert.ok(refused);
  // Those of the pool that was there come first.
  const buffers = Array.from({ length: pieces }, () => Buffer.allocUnsafe(kept));
  assert.ok((buffers.at(-1)?.buffer.byteLength ?? Infinity) <= 8 * 1024);
});

it.run();
