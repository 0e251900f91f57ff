/** `ServeRelay` with its steps, hashing through Node; what remains to be provided are ports and policy. */
import { Layer } from "effect"
import { nodeSha256 } from "../adapters/crypto/NodeSha256.ts"
import { AdmitRelay } from "../domain/relay/AdmitRelay.ts"
import { CompleteRelay } from "../domain/relay/CompleteRelay.ts"
import { RecordRelay } from "../domain/relay/RecordRelay.ts"
import { RelayMeter } from "../domain/relay/RelayMeter.ts"
import { RingDirectory } from "../domain/relay/RingDirectory.ts"
import { ServeRelay } from "../domain/relay/ServeRelay.ts"
import { SessionDirectory } from "../domain/relay/SessionDirectory.ts"

/**
 * Serving as one layer. Needs the relayer's ports and reads `RelayPolicyRef` and `StepTracer` once, when it is built.
 */
export const layer = ServeRelay.layerSteps(nodeSha256).pipe(
  Layer.provide([AdmitRelay.layer(nodeSha256), CompleteRelay.layer(nodeSha256)]),
  Layer.provide([RingDirectory.layer, RelayMeter.layer, RecordRelay.layer]),
  Layer.provide(SessionDirectory.layer)
)
