/** What the propose experiment and its members tell each other. */
export interface Introduction {
  readonly peer: string;
  readonly address: string;
}

export interface ProposeResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  readonly failed: number;
}

export type ToMember =
  | { readonly kind: "peers"; readonly peers: readonly Introduction[] }
  | { readonly kind: "load"; readonly callers: number; readonly seconds: number };

export type FromMember =
  | ({ readonly kind: "listens" } & Introduction)
  | { readonly kind: "leads" }
  | { readonly kind: "result"; readonly result: ProposeResult };
