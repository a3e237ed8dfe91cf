import { suite } from "uvu";
import * as assert from "uvu/assert";
import { emptyConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type Configuration } from "../../../../src/consensus/core/types.ts";
import {
  type AutopilotLimits,
  type AutopilotView,
  defaultAutopilotLimits,
  type MemberHealth,
  planStep,
  wantedVoters,
} from "../../../../src/consensus/driver/autopilot-plan.ts";

const it = suite("autopilot");

interface Situation {
  readonly voters: string;
  readonly standbys?: string;
  readonly observers?: string;
  readonly lost?: string;
  /** Silent for a minute and dead by gossip. */
  readonly dead?: string;
  /** Silent for four seconds. */
  readonly quiet?: string;
  readonly behind?: string;
  /** Well for a second only. */
  readonly fresh?: string;
  readonly gone?: string;
  readonly admitted?: string;
  readonly parts?: Partial<Configuration>;
  readonly uncommitted?: boolean;
  readonly limits?: Partial<AutopilotLimits>;
}

/** "a" is the leader; each letter is a member. */
function step(situation: Situation): string {
  const list = (text = ""): string[] => [...text];
  const { voters, standbys, observers, lost, parts, limits } = situation;
  const effective: Configuration = {
    ...emptyConfiguration,
    index: 10,
    sets: [list(voters)],
    standbys: list(standbys),
    observers: list(observers),
    lost: list(lost),
    ...parts,
  };
  const has = (text: string | undefined, id: string): boolean => (text ?? "").includes(id);
  const health = new Map<string, MemberHealth>();
  for (const id of [...list(voters), ...list(standbys), ...list(observers)]) {
    const silentMs = has(situation.dead, id) ? 60_000 : has(situation.quiet, id) ? 4000 : 50;
    const stableMs = silentMs > 1000 ? 0 : has(situation.fresh, id) ? 1000 : 60_000;
    health.set(id, { silentMs, stableMs, caughtUp: !has(situation.behind, id) });
  }
  const view: AutopilotView = {
    self: "a",
    effective,
    committed: situation.uncommitted === true ? { ...effective, index: 9 } : effective,
    health,
    admitted: list(situation.admitted ?? `${voters}${standbys ?? ""}${observers ?? ""}`),
    isGone: (id) => has(situation.gone, id),
    isAlive: (id) => !has(situation.dead, id),
  };
  const next = planStep(view, { ...defaultAutopilotLimits, maxStandbys: 5, ...limits });
  if (next === null) return "-";
  if (next.kind === "transfer") return "transfer";
  const { change } = next;
  return "node" in change ? `${change.op} ${change.node}` : change.op;
}

const table: readonly (readonly [string, Situation, string])[] = [
  ["leaves a healthy cluster alone", { voters: "abc" }, "-"],
  [
    "waits until the last change is committed",
    { voters: "a", standbys: "b", uncommitted: true },
    "-",
  ],
  ["adds an admitted member as standby", { voters: "a", admitted: "ab" }, "addStandby b"],
  ["does not add a dead member", { voters: "a", admitted: "ab", dead: "b" }, "-"],
  ["does not add an evicted member", { voters: "a", admitted: "ab", gone: "b" }, "-"],
  ["promotes the second voter at once", { voters: "a", standbys: "b", fresh: "b" }, "promote b"],
  ["promotes the third voter at once", { voters: "ab", standbys: "c", fresh: "c" }, "promote c"],
  ["does not promote who lags", { voters: "a", standbys: "b", behind: "b" }, "-"],
  ["does not promote who is silent", { voters: "a", standbys: "b", dead: "b" }, "lose b"],
  ["keeps three voters and one standby", { voters: "abc", standbys: "d" }, "-"],
  ["grows from three to five", { voters: "abc", standbys: "de" }, "promote d"],
  ["finishes growing to five", { voters: "abcd", standbys: "e" }, "promote e"],
  ["waits for stability beyond three", { voters: "abc", standbys: "de", fresh: "e" }, "-"],
  ["keeps five voters at most", { voters: "abcde", standbys: "fg" }, "-"],
  ["grows before it adds members", { voters: "a", standbys: "b", admitted: "abc" }, "promote b"],
  ["loses a dead voter of three", { voters: "abc", dead: "c" }, "lose c"],
  ["does not yet lose a quiet one", { voters: "abc", quiet: "c" }, "-"],
  ["replaces a dead voter: loses it first", { voters: "abc", standbys: "d", dead: "c" }, "lose c"],
  ["then promotes the standby", { voters: "ab", standbys: "d", lost: "c", dead: "c" }, "promote d"],
  ["loses no voter without a live majority of the rest", { voters: "abc", dead: "bc" }, "-"],
  ["loses one of two dead among five", { voters: "abcde", dead: "de" }, "lose d"],
  ["leaves the pair to the core", { voters: "ab", dead: "b" }, "-"],
  ["shrinks not below minVoters", { voters: "abc", dead: "c", limits: { minVoters: 3 } }, "-"],
  ["demotes the surplus of four voters", { voters: "abcd", fresh: "c" }, "demote c"],
  ["never demotes itself", { voters: "abcd", fresh: "abcd" }, "demote b"],
  ["keeps two voters although two is even", { voters: "ab" }, "-"],
  ["takes a lost member back", { voters: "ab", lost: "c", admitted: "abc" }, "addStandby c"],
  ["forgets not who is still away", { voters: "ab", lost: "c", dead: "c", admitted: "abc" }, "-"],
  ["removes an evicted voter", { voters: "abc", gone: "c" }, "remove c"],
  ["removes an evicted dead one", { voters: "abc", gone: "c", dead: "c" }, "remove c"],
  ["removes a forgotten lost one", { voters: "ab", lost: "c", gone: "c", dead: "c" }, "remove c"],
  ["removes no voter it cannot do without", { voters: "abc", gone: "c", dead: "b" }, "lose b"],
  ["hands over when it is evicted itself", { voters: "abc", gone: "a" }, "transfer"],
  ["stays when nobody can take over", { voters: "a", gone: "a" }, "-"],
  ["stays when the others are dead", { voters: "abc", gone: "a", dead: "bc" }, "-"],
  [
    "fills five standby places; whoever else there is observes",
    { voters: "a", standbys: "bcdef", behind: "bcdef", admitted: "abcdefg" },
    "-",
  ],
  [
    "gives an observer the place of a standby that became a voter",
    { voters: "abcde", standbys: "fghi", admitted: "abcdefghijk" },
    "addStandby j",
  ],
  [
    "gives no place to a dead observer",
    { voters: "abcde", standbys: "fghi", admitted: "abcdefghijk", dead: "j" },
    "addStandby k",
  ],
  [
    "trims standbys to five, the least steady first",
    { voters: "abcde", standbys: "fghijk", fresh: "h" },
    "remove h",
  ],
  [
    "forgets a lost one that is back and finds no place",
    { voters: "abcde", standbys: "fghij", lost: "k", admitted: "abcdefghijk" },
    "remove k",
  ],
  [
    "remembers a lost one that is away",
    { voters: "abcde", standbys: "fghij", lost: "k", dead: "k", admitted: "abcdefghijk" },
    "-",
  ],
  ["moves an observer up", { voters: "abc", standbys: "d", observers: "e" }, "addStandby e"],
  ["stops streaming to a dead standby", { voters: "abc", standbys: "d", dead: "d" }, "lose d"],
  [
    "stops streaming to a dead observer",
    { voters: "abc", observers: "d", dead: "d", limits: { maxStandbys: 0 } },
    "lose d",
  ],
  [
    "waits for a joint change to end by itself",
    {
      voters: "abc",
      dead: "c",
      parts: {
        sets: [
          ["a", "b"],
          ["a", "b", "c"],
        ],
        autoLeave: true,
      },
    },
    "-",
  ],
  [
    "leaves a joint configuration that does not",
    {
      voters: "abc",
      parts: {
        sets: [
          ["a", "b"],
          ["a", "b", "c"],
        ],
      },
    },
    "leaveJoint",
  ],
];

for (const [title, situation, expected] of table) {
  it(title, () => assert.is(step(situation), expected));
}

it("wants an odd number of voters, but two of two", () => {
  const wanted = [0, 1, 2, 3, 4, 5, 6, 7, 20].map((healthy) => wantedVoters(healthy, 5));
  assert.equal(wanted, [0, 1, 2, 3, 3, 5, 5, 5, 5]);
});

it("settles: following its own advice never ends in a circle", () => {
  let voters = ["a"];
  let standbys: string[] = [];
  const seen: string[] = [];
  for (let i = 0; i < 40; i += 1) {
    const next = step({
      voters: voters.join(""),
      standbys: standbys.join(""),
      admitted: "abcdefgh",
      limits: { maxStandbys: 8 },
    });
    if (next === "-") break;
    seen.push(next);
    const [op, node = ""] = next.split(" ");
    if (op === "addStandby") standbys = [...standbys, node];
    if (op === "promote") {
      standbys = standbys.filter((id) => id !== node);
      voters = [...voters, node];
    }
  }
  assert.is(voters.length, 5, seen.join(", "));
  assert.is(standbys.length, 3);
});

it.run();
