/** Names of nodes in place of their ids in log lines. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { namedLogger } from "../../../src/agent/named-logger.ts";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";

const it = suite("named logger");
const idOf = (letter: string): string => `12D3KooW${letter.repeat(44)}`;
const [id1, id2, stranger] = [idOf("A"), idOf("B"), idOf("C")];

function recording(lines: object[], bindings: object = {}): Logger {
  const write = (data: object, msg: string): void => void lines.push({ ...bindings, ...data, msg });
  const child = (more: object): Logger => recording(lines, { ...bindings, ...more });
  return { ...silentLogger, debug: write, info: write, warn: write, error: write, child };
}

function logged(log: (logger: Logger) => void): unknown {
  const lines: object[] = [];
  const names: Readonly<Record<string, string>> = { [id1]: "n1", [id2]: "n2" };
  log(namedLogger(recording(lines), (id) => names[id] ?? null));
  return lines;
}

it("names nodes wherever their ids stand, also in lists and in what is told of each", () => {
  const lost = [{ id: id2, silentMs: 5 }, id1, null];
  assert.equal(
    logged((logger) => logger.warn({ leader: id1, term: 2, lost }, "text")),
    [{ leader: "n1", term: 2, lost: [{ id: "n2", silentMs: 5 }, "n1", null], msg: "text" }],
  );
});

it("leaves ids of no node, ids beside a name, errors, and lines for developers", () => {
  const error = new Error(id1);
  assert.equal(
    logged((logger) => {
      logger.info({ peer: stranger }, "a");
      logger.info({ peer: id1, name: "n1" }, "b");
      logger.error({ error }, "c");
      logger.debug({ peer: id1 }, "d");
    }),
    [
      { peer: stranger, msg: "a" },
      { peer: id1, name: "n1", msg: "b" },
      { error, msg: "c" },
      { peer: id1, msg: "d" },
    ],
  );
});

it("names them within a text, also next to a stranger", () => {
  const why = `${id1} is silent; ${stranger} and "${id2}" answer`;
  assert.equal(
    logged((logger) => logger.warn({ why }, "text")),
    [{ why: `n1 is silent; ${stranger} and "n2" answer`, msg: "text" }],
  );
});

it("does so in each part of the agent", () => {
  assert.equal(
    logged((logger) => logger.child({ module: "consensus" }).info({ node: id2 }, "text")),
    [{ module: "consensus", node: "n2", msg: "text" }],
  );
});

it.run();
