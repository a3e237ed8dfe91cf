/** The keys of the datagram lane, as the replicated inventory gives them. */
export interface RingKey {
  /** Grows with each rotation; names the key on the wire. */
  readonly id: number;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** Every key opens; only `sealing` (an id among them) seals. */
export interface KeyRing {
  readonly keys: readonly RingKey[];
  readonly sealing: number;
}

export const keyRingSecretBytes = 32;
