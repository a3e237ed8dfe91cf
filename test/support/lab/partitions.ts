/** Which links are cut: the shapes of partitions that Jepsen's tests know. */
export interface Cut {
  readonly from: string;
  readonly to: string;
}

type Hosts = readonly string[];

/** No packet passes between the two groups. */
export function between(left: Hosts, right: Hosts): readonly Cut[] {
  return [...oneWay(left, right), ...oneWay(right, left)];
}

/** Packets of `from` do not reach `to`; those the other way do. */
export function oneWay(from: Hosts, to: Hosts): readonly Cut[] {
  return from.flatMap((a) => to.filter((b) => b !== a).map((b) => ({ from: a, to: b })));
}

export function isolate(host: string, all: Hosts): readonly Cut[] {
  return between([host], without(all, [host]));
}

/** A majority and the rest, in the order given: the first ones are the majority. */
export function halves(all: Hosts): readonly Cut[] {
  const majority = Math.floor(all.length / 2) + 1;
  return between(all.slice(0, majority), all.slice(majority));
}

/** Two halves that only one host, the first one, sees both of. */
export function bridge([middle, ...rest]: Hosts): readonly Cut[] {
  if (middle === undefined) return [];
  const half = Math.ceil(rest.length / 2);
  return between(rest.slice(0, half), rest.slice(half));
}

/** Every host sees a majority, and no two the same one: its neighbours on a ring. Below five, a ring is a bridge. */
export function majoritiesRing(all: Hosts): readonly Cut[] {
  if (all.length < 5) return bridge(all);
  const reach = Math.ceil(Math.floor(all.length / 2) / 2);
  const isNear = (a: number, b: number): boolean => {
    const distance = Math.abs(a - b);
    return Math.min(distance, all.length - distance) <= reach;
  };
  return all.flatMap((from, a) =>
    all.filter((_, b) => !isNear(a, b)).map((to): Cut => ({ from, to })),
  );
}

export function without(all: Hosts, some: Hosts): readonly string[] {
  return all.filter((host) => !some.includes(host));
}
