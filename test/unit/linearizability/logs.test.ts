/** Reading histories: what each line means, and what is refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultBudget } from "../../linearizability/budget.ts";
import { judgeText, readOperations } from "../../linearizability/history-text.ts";
import { keyValueLog } from "../../linearizability/key-value-log.ts";
import { registerLog } from "../../linearizability/register-log.ts";

const it = suite("linearizability: logs");

const jepsen = (...events: readonly string[]): string[] =>
  events.map((event) => `INFO  jepsen.util - ${event.replaceAll(" :", "\t:")}`);
const registerOps = (...events: readonly string[]) =>
  readOperations("x.log", jepsen(...events), registerLog);
const edn = (process: number, type: string, f: string, value: string): string =>
  `{:process ${process}, :type ${type}, :f ${f}, :key "k", :value ${value}}`;
const storeOps = (...lines: readonly string[]) => readOperations("x.txt", lines, keyValueLog);

it("pairs calls and replies of interleaved processes, by line number", () => {
  const ops = registerOps(
    "0 :invoke :write 4",
    "7 :invoke :read nil",
    "0 :ok :write 4",
    "7 :ok :read -4",
  );
  assert.equal(ops, [
    { process: 0, op: { f: "write", value: 4 }, called: 1, returned: 3 },
    { process: 7, op: { f: "read", value: -4 }, called: 2, returned: 4 },
  ]);
});

it("tells a compare-and-set that was refused from one that did not happen", () => {
  const refused = registerOps("0 :invoke :cas [3 0]", "0 :fail :cas [3 0]");
  assert.equal(refused[0]?.op, { f: "cas", from: 3, to: 0, swapped: false });
  assert.equal(registerOps("0 :invoke :cas [3 0]", "0 :fail :cas :timed-out"), []);
});

it("takes an operation without a result, or without a reply, as one of unknown outcome", () => {
  const ops = registerOps(
    "0 :invoke :write 1",
    "0 :info :write :timed-out",
    "1 :invoke :cas [1 2]",
  );
  assert.equal(ops, [
    { process: 0, op: { f: "write", value: 1 }, called: 1, returned: null },
    { process: 1, op: { f: "cas", from: 1, to: 2, swapped: true }, called: 3, returned: null },
  ]);
});

it("drops what says nothing: reads without a result, and writes that did not happen", () => {
  const ops = registerOps(
    "0 :invoke :read nil",
    "0 :fail :read :timed-out",
    "1 :invoke :read nil",
    "1 :info :read :timed-out",
    "2 :invoke :write 1",
    "2 :fail :write 1",
    "3 :invoke :read nil",
  );
  assert.equal(ops, []);
});

it("reads EDN maps with their fields in any order, escapes and fields it does not know", () => {
  const ops = storeOps(
    String.raw`{:value "a\"\\\nA", :time 12 :key "k", :f :put, :type :invoke, :process 3}`,
    String.raw`  {:process 3, :type :ok, :f :put, :key "k", :value "a\"\\\nA"}  `,
  );
  assert.equal(ops, [
    { process: 3, op: { f: "put", key: "k", value: 'a"\\\nA' }, called: 1, returned: 2 },
  ]);
});

it("takes a store's operations that fail as not happened, and those without a reply as unknown", () => {
  const ops = storeOps(
    edn(0, ":invoke", ":put", '"a"'),
    edn(0, ":fail", ":put", '"a"'),
    edn(1, ":invoke", ":append", '"b"'),
    edn(1, ":info", ":append", ":timed-out"),
    edn(2, ":invoke", ":get", "nil"),
  );
  assert.equal(ops, [
    { process: 1, op: { f: "append", key: "k", value: "b" }, called: 3, returned: null },
  ]);
});

it("skips empty lines and reads lines that end like on Windows", () => {
  const text = `\n${jepsen("0 :invoke :read nil", "0 :ok :read 5").join("\r\n\r\n")}\r\n`;
  assert.equal(judgeText("x.log", text, defaultBudget).verdict, "violation");
});

const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    "a line of another kind",
    ["INFO jepsen.core - Run complete"],
    /:1: expected "INFO jepsen\.util/,
  ],
  ["an unknown function", jepsen("0 :invoke :enqueue 1"), /:1: expected .*got "INFO/],
  ["a value that is none", jepsen("0 :invoke :write 1.5"), /:1: expected nil, an integer/],
  ["a number without end", jepsen(`0 :invoke :write ${"9".repeat(400)}`), /:1: .*"9{80}…"/],
  ["a call without its value", jepsen("0 :invoke :cas 3"), /:1: a call of :read has nil/],
  ["a reply without a call", jepsen("0 :ok :read 1"), /:1: process 0 gets a reply/],
  [
    "a second call of a busy process",
    jepsen("0 :invoke :read nil", "1 :invoke :read nil", "0 :invoke :write 1"),
    /:3: process 0 calls again, but its call of line 1/,
  ],
  [
    "a reply to another call",
    jepsen("0 :invoke :write 1", "0 :ok :write 2"),
    /:2: the reply is to/,
  ],
  [
    "a reply of another kind",
    jepsen("0 :invoke :write 1", "0 :info :cas :x"),
    /:2: the reply is to/,
  ],
  [
    "success without a result",
    jepsen("0 :invoke :read nil", "0 :ok :read :x"),
    /:2: .*has a result/,
  ],
  [
    "a read of a pair",
    jepsen("0 :invoke :read nil", "0 :ok :read [1 2]"),
    /:2: a read returns nil/,
  ],
  ["an open map", ['{:process 1, :type "a"'], /:1: expected a keyword.* at the end/],
  ["an open string", ['{:process 1, :key "a'], /:1: expected a keyword.* at "\\"a"/],
  ["more than a map", [`${edn(1, ":invoke", ":get", "nil")} 5`], /:1: expected the end at "5"/],
  ["a key twice", ["{:process 1 :process 2}"], /:1: :process is given twice/],
  ["a key that is none", ["{1 2}"], /:1: a key must be a keyword/],
  ["an unknown escape", [String.raw`{:key "\q"}`], /:1: unknown escape/],
  ["no process", ["{:type :invoke}"], /:1: :process must be an integer/],
  ["an unknown type", [edn(1, ":start", ":get", "nil")], /:1: :type must be one of :invoke/],
  ["an unknown call", [edn(1, ":invoke", ":swap", "nil")], /:1: :f must be one of :get/],
  ["a put without a value", [edn(1, ":invoke", ":put", "nil")], /:1: a call of :put has a string/],
  [
    "a get with a value",
    [edn(1, ":invoke", ":get", '"a"')],
    /:1: a call of :get has the value nil/,
  ],
  ["a number as value", [edn(1, ":invoke", ":put", "5")], /:1: :value must be a string or nil/],
  [
    "a get that is ok without a result",
    [edn(1, ":invoke", ":get", "nil"), edn(1, ":ok", ":get", "nil")],
    /:2: a :get that is ok has a string/,
  ],
  [
    "a put that wrote something else",
    [edn(1, ":invoke", ":put", '"a"'), edn(1, ":ok", ":put", '"b"')],
    /:2: a :put that is ok has the string of its call/,
  ],
  ["another format", ["", '["a", "json"]'], /:2: expected a line of Jepsen's log .* or an EDN map/],
  [
    "a mix of formats",
    [...jepsen("0 :invoke :read nil"), edn(1, ":invoke", ":get", "nil")],
    /:2: expected/,
  ],
  ["a line without end", [`{:key "${"a".repeat(1024 * 1024)}"}`], /:1: longer than 1048576 char/],
];

for (const [what, lines, message] of refused) {
  it(`refuses ${what}, with the file and the line`, () => {
    assert.throws(
      () => judgeText("dir/x.log", lines.join("\n"), defaultBudget),
      (error: unknown) =>
        error instanceof Error &&
        error.message.startsWith("dir/x.log:") &&
        message.test(error.message),
    );
  });
}

it.run();
