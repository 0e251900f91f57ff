/**
 * Why a relay is refused and how the gateway is told. One table, one row for each cause: a signed answer with an inner
 * status where it can be signed costs a supplier no reputation, a plain HTTP error does.
 * Source: the gateway's treatment of answers, `docs/refusals.md`.
 */
import { Schema } from "effect"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import type { RelayMinerError } from "./RelayResponse.ts"
import type { SessionHeader } from "./SessionHeader.ts"

/** How one cause is answered. */
export interface Refusal {
  /** Inner status of the signed form, outer status of the plain form. */
  readonly status: number
  /** Text of the body; `N` stands for the limit in bytes. */
  readonly text: string
  /** Code of the network's `relayer_proxy` codespace; none: codespace `relaymill`, the status as code. */
  readonly code?: number
  /** Never signed: there is nothing to sign with or for. */
  readonly plainOnly?: true
}

/** The table. */
export const refusals = {
  unreadable: { status: 400, text: "body must be a RelayRequest", plainOnly: true },
  body_too_large: { status: 413, text: "request body is larger than N bytes", plainOnly: true },
  supplier_not_served: { status: 404, text: "supplier is not served here", plainOnly: true },
  implausible_heights: { status: 400, text: "session heights are not plausible", code: 1 },
  payload_unreadable: { status: 400, text: "relay payload must be a POKTHTTPRequest", code: 1 },
  service_not_offered: { status: 404, text: "service is not offered here", code: 3 },
  supplier_not_staked: { status: 200, text: "supplier does not belong to session", code: 1 },
  session_unknown: { status: 200, text: "supplier does not belong to session", code: 6 },
  ring_signature: { status: 403, text: "relay signature does not match the ring of the application" },
  seen_before: { status: 409, text: "relay was served before" },
  over_limit: { status: 200, text: "session relay limit reached: claimable portion fully consumed", code: 7 },
  meter_unavailable: { status: 503, text: "metering is not available", code: 8 },
  service_body_too_large: { status: 413, text: "request body is larger than N bytes", code: 11 },
  chain_unreadable: { status: 503, text: "relayer cannot read the chain now", code: 5 },
  no_backend: { status: 503, text: "no backend is available", code: 9 },
  backend_unreachable: { status: 502, text: "backend could not be reached", code: 9 },
  backend_timeout: { status: 504, text: "backend did not answer in time", code: 10 },
  backend_answer_too_large: { status: 502, text: "backend answer is larger than N bytes", code: 12 },
  at_limit: { status: 503, text: "relayer is at its limit", code: 13 },
  not_recordable: { status: 503, text: "relay cannot be recorded now", code: 5 },
  defect: { status: 500, text: "internal error", code: 5 }
} as const satisfies Record<string, Refusal>

/** Name of a refusal: key of the table, value of the metric label `reason`. */
export type RefusalCause = keyof typeof refusals

/** Whom the refusal can be signed for: the request's header, and a supplier whose key is held here. */
export interface RefusalSigner {
  readonly header: SessionHeader
  readonly supplier: SupplierAddress
}

/** A relay that is not served. `detail` is for logs; the gateway sees only the table's text. */
export class RelayRefused extends Schema.TaggedError<RelayRefused>()("RelayRefused", {
  reason: Schema.Literals(Object.keys(refusals) as [RefusalCause, ...Array<RefusalCause>]), // keys of a literal table
  detail: Schema.String,
  /** Bytes, for the causes about size. */
  limit: Schema.optionalKey(Schema.Finite),
  /** Absent while the request could not be read as far as that. */
  signer: Schema.optionalKey(Schema.declare((value: unknown): value is RefusalSigner => typeof value === "object")),
  /** Whether the ring signature was verified before: such refusals are signed without a bound. */
  verified: Schema.Boolean
}) {
  override get message(): string {
    return `${refusalText(this.reason, this.limit)}: ${this.detail}`
  }
}

/** Text of the body that the gateway gets. */
export const refusalText = (cause: RefusalCause, limit: number | undefined): string =>
  refusals[cause].text.replace("N", String(limit ?? 0))

/** `relay_miner_error` of the signed form. */
export const refusalError = (cause: RefusalCause, limit: number | undefined): RelayMinerError => {
  const { code, status }: Refusal = refusals[cause]
  return {
    codespace: code === undefined ? "relaymill" : "relayer_proxy",
    code: code ?? status,
    description: refusalText(cause, limit),
    message: ""
  }
}
