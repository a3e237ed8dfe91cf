/**
 * What may differ between a published transcript and ours, each difference with its reason and the form in which both
 * sides must be equal nevertheless. A form is applied to both sides, and only where a directive is listed with it.
 */
export interface Difference {
  readonly reason: string;
  readonly form: (lines: readonly string[]) => readonly string[];
}

/** Log lines of the other implementation are no behaviour, indentation is none either. */
export function normalise(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.trim());
  const kept = lines.filter((line) => line !== "" && !/^(DEBUG|INFO|WARN|ERROR) /.test(line));
  return kept.length === 0 ? ["ok"] : kept;
}

/** The parts under each heading, first the one without. */
function blocks(lines: readonly string[]): readonly (readonly string[])[] {
  const result: string[][] = [[]];
  for (const line of lines) {
    if (line.startsWith("> ")) result.push([]);
    result.at(-1)?.push(line);
  }
  return result;
}

export const endOfTurn: Difference = {
  reason: "what is new for everybody is sent once, at the end of a turn, behind the turn's answers",
  form: (lines) => {
    const result: string[] = [];
    let run: string[] = [];
    for (const line of [...lines, ""]) {
      if (/^\d+->\d+ /.test(line)) {
        run.push(line);
      } else {
        result.push(...run.sort(), line);
        run = [];
      }
    }
    return result;
  },
};

export const newestCommit: Difference = {
  reason: "of several commit indices in one turn, followers that did not ask are told the last",
  form: (lines) => blocks(lines).flatMap(withoutOlderCommits),
};

function withoutOlderCommits(block: readonly string[]): readonly string[] {
  const newest = new Map<string, string>();
  const keyOf = (line: string): string | undefined =>
    /^(.*\d+->\d+ MsgApp .*) Commit:\d+$/.exec(line)?.[1];
  for (const line of block) newest.set(keyOf(line) ?? line, line);
  return block.filter((line) => newest.get(keyOf(line) ?? line) === line);
}

export const sentWithTheTurn: Difference = {
  reason: "proposals of one turn are sent together when it ends, not one by one at once",
  form: (lines) => lines.map((line) => line.replace(/ next=.*$/, "")),
};

export const soonerOutOfOffice: Difference = {
  reason:
    "silence is counted per follower in ticks, so a leader alone leaves after one election timeout, not up to two: " +
    "the same beats and answers, but fewer",
  form: (lines) => blocks(lines).flatMap((block) => [...new Set(block)]),
};

export const syncedSnapshot: Difference = {
  reason: "a write that installs a snapshot replaces the log, and is synced",
  form: (lines) => {
    return blocks(lines).flatMap((block) =>
      block.some((line) => line.startsWith("Snapshot Index:"))
        ? block.map((line) => line.replace("MustSync=false", "MustSync=true"))
        : block,
    );
  },
};

export const quietProbe: Difference = {
  reason:
    "the status does not tell whether a probe is under way, and counts ticks of silence instead of a flag",
  form: (lines) =>
    lines.map((line) =>
      line.includes("StateProbe") ? line.replace(/ (paused|inactive)/g, "") : line,
    ),
};

export const refusedAtOnce: Difference = {
  reason: "a refused vote promises nothing, so it does not wait for the disk",
  form: (lines) => lines.filter((line) => !/MsgVoteResp .*Rejected/.test(line)),
};

export const wholeConfiguration: Difference = {
  reason: "an entry carries the whole new configuration, not the change that led to it",
  form: (lines) => lines.map((line) => line.replace(/EntryConfChange.*/, "EntryConfChange")),
};
