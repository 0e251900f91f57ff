/** A service as the chain stores it. Prices of a session come from the at-height query, not from this live record. */
import { create } from "@bufbuild/protobuf"
import { type Service as ServiceMessage, ServiceSchema } from "./proto/pocket/shared_pb.ts"
import {
  type RelayMiningDifficulty as DifficultyMessage,
  RelayMiningDifficultySchema
} from "./proto/pocket/service_pb.ts"

/** Source: poktroll `proto/pocket/shared/service.proto`. */
export interface Service {
  readonly id: string
  readonly name: string
  readonly computeUnitsPerRelay: bigint
  readonly ownerAddress: string
  /** Description of the API, opaque; absent in a dehydrated answer. */
  readonly card: Uint8Array | undefined
}

/** Difficulty of a service from `blockHeight` on. Source: poktroll `proto/pocket/service/relay_mining_difficulty.proto`. */
export interface RelayMiningDifficulty {
  readonly serviceId: string
  readonly blockHeight: bigint
  readonly numRelaysEma: bigint
  /** 32 bytes: a relay counts if its hash is smaller. */
  readonly targetHash: Uint8Array
}

/** Converts the wire message. */
export const fromMessage = (message: ServiceMessage): Service => ({
  id: message.id,
  name: message.name,
  computeUnitsPerRelay: message.computeUnitsPerRelay,
  ownerAddress: message.ownerAddress,
  card: message.metadata?.card
})

/** The wire message of a record, as a node would answer it. */
export const toMessage = ({ card, ...service }: Service): ServiceMessage =>
  create(ServiceSchema, card === undefined ? service : { ...service, metadata: { card: card } })

/** Converts the wire message of a difficulty. */
export const difficultyFromMessage = (message: DifficultyMessage): RelayMiningDifficulty => ({
  serviceId: message.serviceId,
  blockHeight: message.blockHeight,
  numRelaysEma: message.numRelaysEma,
  targetHash: message.targetHash
})

/** The wire message of a difficulty. */
export const difficultyToMessage = (difficulty: RelayMiningDifficulty): DifficultyMessage =>
  create(RelayMiningDifficultySchema, difficulty)
