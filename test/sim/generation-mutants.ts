/** Broken twins of survivor mode, heal and merge: see mutants.ts. */
import { type Mutant } from "./mutants.ts";
import {
  exitsAttested,
  nodesAtWork,
  oneHostWiped,
  oneSplit,
  quietSplit,
} from "./partition-merge.ts";

const keeper = "consensus/driver/engine-keeper.ts";
const change = "consensus/driver/generation-change.ts";
const coordinator = "consensus/lineage/coordinator.ts";

export const generationMutants: readonly Mutant[] = [
  {
    name: "tells of a promise that is not on disk",
    profile: "partition-merge",
    aim: oneSplit,
    edits: [
      {
        file: keeper,
        find: "    await this.#halt();\n    await this.#deps.log.append(write);\n    await this.#begin(await this.#recover());",
        replace:
          "    await this.#halt();\n    await this.#begin({ ...(await this.#recover()), lineage });",
      },
    ],
  },
  {
    name: "goes on in a generation that it promised to leave",
    profile: "partition-merge",
    aim: oneSplit,
    edits: [
      {
        file: keeper,
        find: "const promised = lineage.promise?.parent === currentGeneration(lineage).id;",
        replace: "const promised = false;",
      },
    ],
  },
  {
    name: "begins a generation without the entries that it does not know to be committed",
    profile: "two-node",
    aim: oneHostWiped,
    edits: [
      {
        file: coordinator,
        find: "const { lastTerm: term, lastIndex: index, chainAt } = facts;",
        replace: "const { lastTerm: term, commit: index, chainAt } = facts;",
      },
      {
        file: coordinator,
        find: "child.forkIndex === facts.lastIndex;",
        replace: "child.forkIndex <= facts.lastIndex;",
      },
      {
        file: change,
        find: "if (child.forkIndex !== lastIndex || child.forkChain !== chain) {",
        replace: "if (child.forkIndex > lastIndex || chain === 0) {",
      },
      {
        file: change,
        find: "const index = lastIndex + 1;",
        replace: "const index = child.forkIndex + 1;",
      },
      {
        file: change,
        find: "entries: [{ index, term, type: EntryType.forceConfig, data }],",
        replace:
          "truncateFrom: index > lastIndex ? null : index, entries: [{ index, term, type: EntryType.forceConfig, data }],",
      },
    ],
  },
  {
    name: "starts over before the winner has what it gives",
    profile: "partition-merge",
    aim: oneSplit,
    edits: [
      {
        file: "consensus/lineage-driver/departure.ts",
        find: "await persistently(deps, signal, () => peers.merge(via, page));",
        replace: "void peers.merge(via, page).catch(() => undefined);",
      },
    ],
  },
  {
    name: "merges once more what another of the same history brought",
    profile: "partition-merge",
    aim: oneSplit,
    edits: [
      {
        file: "inventory/merge/past.ts",
        find: "if (known.has(mark)) continue;",
        replace: "",
      },
    ],
  },
  {
    name: "lets the loser of a merge overwrite what the winner wrote",
    profile: "partition-merge",
    aim: oneSplit,
    edits: [
      {
        file: "inventory/merge/merging.ts",
        find: 'if (!this.wroteHere(ours.version)) return "take";',
        replace: 'return "take";',
      },
    ],
  },
  {
    name: "lets those who went on without a quorum win over the quorum",
    profile: "partition-merge",
    aim: oneSplit,
    edits: [
      {
        file: "consensus/lineage/compare.ts",
        find: "const w1 = leads !== 0 ? leads : compareEnds(a.end, b.end);",
        replace: "const w1 = leads !== 0 ? -leads : compareEnds(a.end, b.end);",
      },
    ],
  },
  {
    name: "believes to win whenever nothing but the ids of two generations tells them apart",
    profile: "partition-merge",
    aim: quietSplit,
    edits: [
      {
        file: "consensus/lineage/compare.ts",
        find: "order: left.id < right.id ? 1 : -1,",
        replace: "order: 1,",
      },
    ],
  },
  {
    name: "orders histories in a round",
    profile: "partition-merge",
    aim: quietSplit,
    edits: [
      {
        file: "consensus/lineage/compare.ts",
        find: "const w3 = left.members.length - right.members.length;",
        replace: `const rank = ({ id }: Generation) => parseInt(id.slice(0, 8), 16) % 3;
  const w3 = ((rank(left) - rank(right) + 4) % 3) - 1;`,
      },
    ],
  },
  {
    name: "decides about nodes that are left behind",
    profile: "partition-merge",
    aim: nodesAtWork,
    edits: [
      {
        file: "lifecycle/node-step.ts",
        find: "if (shared === undefined) return false;",
        replace: "if (shared !== -1) return false;",
      },
    ],
  },
  {
    name: "believes that nodes are reachable which nobody could write off",
    profile: "partition-merge",
    aim: nodesAtWork,
    edits: [
      {
        file: "lifecycle/node-step.ts",
        find: "return !view.history(node.name).some(isSeen);",
        replace: "return false && isSeen;",
      },
    ],
  },
  {
    name: "knows only those left behind who are on record",
    profile: "partition-merge",
    aim: nodesAtWork,
    edits: [
      {
        file: "agent/lineage.ts",
        find: "return openGenerations(this.generations(), view).filter(isProvisional);",
        replace:
          "return openGenerations(this.generations(), view).filter((one) => isProvisional(one) && view.generation(one.id) !== null);",
      },
    ],
  },

  {
    name: "takes part again though others may have gone on without it",
    profile: "partition-merge",
    aim: exitsAttested,
    edits: [
      {
        file: "agent/supervisor/hold-keeper.ts",
        find: "const verdict = await settleExit(asker, exit);",
        replace: 'const verdict = asker === "" ? await settleExit(asker, exit) : "void";',
      },
    ],
  },
  {
    name: "takes an attested exit for a proof whatever the dead had",
    profile: "partition-merge",
    aim: exitsAttested,
    edits: [
      {
        file: "consensus/lineage/missing.ts",
        find: "proof.statement.node === proof.node && coversExit(proof.statement, best)",
        replace:
          "proof.statement.node === proof.node && (best.lastIndex > 0 || coversExit(proof.statement, best))",
      },
    ],
  },
];
