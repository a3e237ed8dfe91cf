/** The log tells what became of members, by name; what is refuted within a second stays at debug. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { logMembers } from "../../../src/agent/member-log.ts";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { type MemberEvent, type MemberView } from "../../../src/gossip/ports.ts";

const it = suite("member-log");

it("names the member and what became of it", () => {
  const lines: string[] = [];
  const write = (level: string) => (data: object, text: string) => {
    lines.push(`${level} ${text} ${"member" in data ? String(data.member) : "?"}`);
  };
  const logger: Logger = { ...silentLogger, info: write("info"), debug: write("debug") };
  const tell: ((event: MemberEvent) => void)[] = [];
  logMembers({ onEvent: (listener) => (tell.push(listener), () => {}) }, logger);
  const member = { name: "n1", address: "10.0.0.1:1", incarnation: 3 } as MemberView;
  const story = ["join", "suspect", "alive", "suspect", "failed", "alive", "left"] as const;
  for (const kind of story) {
    tell[0]?.({ kind, member });
  }
  tell[0]?.({ kind: "reap", id: asPeerId("p") });
  assert.equal(lines, [
    "info member joined n1",
    "debug member is suspected to have failed n1",
    "debug member is alive again n1",
    "debug member is suspected to have failed n1",
    "info member failed n1",
    "info member is alive again n1",
    "info member left n1",
    "debug member forgotten after its time ?",
  ]);
});

it.run();
