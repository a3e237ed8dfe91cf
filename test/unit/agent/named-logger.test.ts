/** Names of nodes in place of their ids in log lines. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { namedLogger } from "../../../src/agent/named-logger.ts";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";

const it = suite("named logger");

function recording(lines: object[], bindings: object = {}): Logger {
  const write = (data: object, msg: string): void => void lines.push({ ...bindings, ...data, msg });
  const child = (more: object): Logger => recording(lines, { ...bindings, ...more });
  return { ...silentLogger, debug: write, info: write, warn: write, error: write, child };
}

function logged(log: (logger: Logger) => void): unknown {
  const lines: object[] = [];
  const names: Readonly<Record<string, string>> = { "id-1": "n1", "id-2": "n2" };
  log(namedLogger(recording(lines), (id) => names[id] ?? null));
  return lines;
}

it("names nodes wherever their ids stand, also in lists and in what is told of each", () => {
  const lost = [{ id: "id-2", silentMs: 5 }, "id-1", null];
  assert.equal(
    logged((logger) => logger.warn({ leader: "id-1", term: 2, lost }, "text")),
    [{ leader: "n1", term: 2, lost: [{ id: "n2", silentMs: 5 }, "n1", null], msg: "text" }],
  );
});

it("leaves ids of no node, ids beside a name, errors, and lines for developers", () => {
  const error = new Error("id-1");
  assert.equal(
    logged((logger) => {
      logger.info({ peer: "id-9" }, "a");
      logger.info({ peer: "id-1", name: "n1" }, "b");
      logger.error({ error }, "c");
      logger.debug({ peer: "id-1" }, "d");
    }),
    [
      { peer: "id-9", msg: "a" },
      { peer: "id-1", name: "n1", msg: "b" },
      { error, msg: "c" },
      { peer: "id-1", msg: "d" },
    ],
  );
});

it("does so in each part of the agent", () => {
  assert.equal(
    logged((logger) => logger.child({ module: "consensus" }).info({ node: "id-2" }, "text")),
    [{ module: "consensus", node: "n2", msg: "text" }],
  );
});

it.run();
