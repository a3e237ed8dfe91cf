/**
 * How much of a job's log somebody has: per target, the number of runs that were given out whole and the offset in
 * the next one. As text it is the id of a streamed line; targets in the same position are counted together, so
 * that a large job has short ids.
 */
export interface NodePosition {
  /** Runs of this node in this job that are over and given out. They are never taken off the list of a job. */
  readonly runs: number;
  /** First byte of the next run that was not given out. */
  readonly offset: number;
}

const prefix = "log1.";
export const start: NodePosition = { runs: 0, offset: 0 };

/**
 * Cursors for lines of the target at `at`: what is around it is put into words once.
 * @param positions in the order of the job's targets.
 */
export function cursorsOf(
  positions: readonly NodePosition[],
  at: number,
): (position: NodePosition) => string {
  const before = positionsText(positions.slice(0, at));
  const after = positionsText(positions.slice(at + 1));
  return (position) => {
    const parts = [before, positionsText([position]), after];
    return prefix + parts.filter((part) => part !== "").join(".");
  };
}

function positionsText(positions: readonly NodePosition[]): string {
  const parts: string[] = [];
  let at = 0;
  while (at < positions.length) {
    const { runs, offset } = positions[at] ?? start;
    let end = at + 1;
    while (positions[end]?.runs === runs && positions[end]?.offset === offset) end += 1;
    const text = offset === 0 ? runs.toString(36) : `${runs.toString(36)}_${offset.toString(36)}`;
    parts.push(end - at === 1 ? text : `${text}*${(end - at).toString(36)}`);
    at = end;
  }
  return parts.join(".");
}

/** Null when the text is not a cursor for a job with so many targets. */
export function decodeLogCursor(text: string, targets: number): readonly NodePosition[] | null {
  if (!text.startsWith(prefix)) return null;
  const positions: NodePosition[] = [];
  for (const part of text.slice(prefix.length).split(".")) {
    const match = /^([0-9a-z]{1,6})(?:_([0-9a-z]{1,10}))?(?:\*([0-9a-z]{1,4}))?$/.exec(part);
    if (match === null) return null;
    const [, runs = "0", offset = "0", count = "1"] = match;
    const position = { runs: Number.parseInt(runs, 36), offset: Number.parseInt(offset, 36) };
    const repeat = Number.parseInt(count, 36);
    if (repeat === 0 || positions.length + repeat > targets) return null;
    for (let i = 0; i < repeat; i += 1) positions.push(position);
  }
  return positions.length === targets ? positions : null;
}
