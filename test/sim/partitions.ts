/** Shapes in which a network falls apart, as lists of the links to cut. */
import { type Random, shuffle } from "../../src/base/random.ts";

export type Link = readonly [from: number, to: number];

/** One of them, over machines 0 … count - 1. `lonely` is the machine that is cut off, where one is. */
export function drawPartition(random: Random, count: number, lonely: number): readonly Link[] {
  const shapes = [isolate, halves, halves, ring, bridge, asymmetric, deaf, mute];
  const shape = shapes[random.below(shapes.length)] ?? isolate;
  return shape({ random, count, lonely });
}

interface Ground {
  readonly random: Random;
  readonly count: number;
  readonly lonely: number;
}

function isolate({ count, lonely }: Ground): readonly Link[] {
  return between(count, (a, b) => (a === lonely) !== (b === lonely));
}

function halves({ random, count }: Ground): readonly Link[] {
  const side = Array.from({ length: count }, () => random.below(2));
  return between(count, (a, b) => side[a] !== side[b]);
}

/** Everybody sees its neighbours in a circle only: each a different majority. */
function ring({ random, count }: Ground): readonly Link[] {
  const order = shuffle(
    Array.from({ length: count }, (_, i) => i),
    random,
  );
  const reach = Math.max(1, Math.floor(count / 4));
  return between(count, (a, b) => {
    const apart = Math.abs(order.indexOf(a) - order.indexOf(b));
    return Math.min(apart, count - apart) > reach;
  });
}

/** Two halves that one machine sees both of. */
function bridge({ random, count, lonely }: Ground): readonly Link[] {
  const side = Array.from({ length: count }, () => random.below(2));
  return between(count, (a, b) => a !== lonely && b !== lonely && side[a] !== side[b]);
}

function asymmetric({ random, count }: Ground): readonly Link[] {
  return between(count, () => random.below(3) === 0);
}

function deaf({ count, lonely }: Ground): readonly Link[] {
  return between(count, (_, b) => b === lonely);
}

function mute({ count, lonely }: Ground): readonly Link[] {
  return between(count, (a) => a === lonely);
}

function between(count: number, cut: (from: number, to: number) => boolean): readonly Link[] {
  const links: Link[] = [];
  for (let a = 0; a < count; a += 1) {
    for (let b = 0; b < count; b += 1) if (a !== b && cut(a, b)) links.push([a, b]);
  }
  return links;
}
