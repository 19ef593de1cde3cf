// The secrets in the document of a stored edge. They are sealed before it is stored, and nobody reads them back: a
// document that is shown has a mark in the place of each. The mark of an unchanged secret can be written back, and keeps
// it, but only beside the same recipient. Otherwise an editor could have the relay send it to a provider of their own.

import { createHmac } from 'node:crypto'

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'

import type { Keys } from '../../keys.ts'
import { kindOf, PHASES } from '../../policy/kind.ts'
import type { Kind, KindTable } from '../../policy/kind.ts'
import { isRecord } from '../../values/written-tree.ts'
import type { SealedSecret } from './stored-edge.ts'

/** What is shown, and may be written back, in the place of a secret. */
export interface SecretMark {
  readonly secret: 'set'
  readonly fingerprint: string
  /** Of a credential, which is not secret. */
  readonly user?: string
}

const FINGERPRINT_CHARS = 12 // 48 bits: the secrets of one edge do not collide, and nothing can be learnt from it

/** Seals and opens the secrets of one edge. Derives no key before there is a secret: most edges have none. */
export class SecretBoxes {
  readonly #keys: Keys
  readonly #purpose: string
  #markKey: Uint8Array | undefined

  constructor(keys: Keys, edgeId: string) {
    this.#keys = keys
    this.#purpose = `edge ${edgeId}`
  }

  seal(secret: string, to: string): SealedSecret {
    return { fingerprint: this.#fingerprintOf(secret), to, box: this.#keys.sealBox(this.#purpose, secret) }
  }

  /** @returns undefined with another key than that with which it was sealed */
  open({ box }: SealedSecret): string | undefined {
    return this.#keys.openBox(this.#purpose, box)
  }

  #fingerprintOf(secret: string): string {
    this.#markKey ??= this.#keys.deriveKey('fingerprints of secrets')
    return createHmac('sha256', this.#markKey).update(secret).digest('hex').slice(0, FINGERPRINT_CHARS)
  }
}

/**
 * Takes the secrets out of a document.
 * @param written the document, with new secrets as texts and kept ones as marks
 * @param before the secrets of its last version
 * @returns problems for marks that stand for no secret of `before`; paths from the edge
 */
export function sealSecrets(
  written: unknown,
  { kinds, boxes, before }: { kinds: KindTable; boxes: SecretBoxes; before: readonly SealedSecret[] },
): { spec: unknown; secrets: SealedSecret[]; problems: FoundProblem[] } {
  const secrets: SealedSecret[] = []
  const problems: FoundProblem[] = []
  const spec = withSecrets(written, kinds, (value, { type, to, path }) => {
    if (isMark(value)) {
      const kept = before.find((each) => each.fingerprint === value.fingerprint && each.to === to)
      if (kept) secrets.push(kept)
      else problems.push({ path, message: NOT_KEPT })
      return value
    }
    if (typeof value !== 'string') return value // its schema will refuse it
    const sealed = boxes.seal(value, to)
    secrets.push(sealed)
    const [user = ''] = value.split(':', 1)
    return {
      secret: 'set',
      fingerprint: sealed.fingerprint,
      ...(type === CREDENTIALS && { user }),
    } satisfies SecretMark
  })
  return { spec, secrets, problems }
}

const NOT_KEPT =
  'is the mark of a secret that this edge does not have beside the same recipient; write the secret itself'
const CREDENTIALS = 'basic-auth'

/**
 * Puts the secrets back into a document, for the rooms that use it.
 * @returns problems for secrets that cannot be opened; paths from the edge
 */
export function openSecrets(
  spec: unknown,
  { kinds, boxes, secrets }: { kinds: KindTable; boxes: SecretBoxes; secrets: readonly SealedSecret[] },
): { written: unknown; problems: FoundProblem[] } {
  const problems: FoundProblem[] = []
  const written = withSecrets(spec, kinds, (value, { to, path }) => {
    if (!isMark(value)) return value
    const sealed = secrets.find((each) => each.fingerprint === value.fingerprint && each.to === to)
    const opened = sealed && boxes.open(sealed)
    if (opened === undefined) problems.push({ path, message: 'cannot be opened with the key of this relay' })
    return opened ?? ''
  })
  return { written, problems }
}

export function isMark(value: unknown): value is SecretMark {
  return isRecord(value) && value['secret'] === 'set' && typeof value['fingerprint'] === 'string'
}

/** @param at the action and whom it shows the secret to, and the path from the edge */
type Replace = (value: unknown, at: { type: string; to: string; path: ConfigPath }) => unknown

/** A copy of a document in the current form, whatever else is in it, with each secret replaced. */
function withSecrets(edge: unknown, kinds: KindTable, replace: Replace): unknown {
  const inPolicy = (policy: unknown, path: ConfigPath): unknown =>
    PHASES.reduce(
      (changed, phase) =>
        atKeys(changed, [phase, 'actions'], path, (action, at) => inAction(action, at, kinds, replace)),
      policy,
    )
  const ofRoutes = atKeys(edge, ['routes', 'policy'], [], inPolicy)
  return atKeys(ofRoutes, ['policy'], [], inPolicy)
}

function inAction(action: unknown, path: ConfigPath, kinds: KindTable, replace: Replace): unknown {
  if (!isRecord(action) || !isRecord(action['config'])) return action
  const { type, config } = action
  const kind = typeof type === 'string' ? kindOf(kinds, type) : undefined
  if (typeof type !== 'string' || !kind) return action
  return { ...action, config: inConfig(config as typeof action, type, kind, [...path, 'config'], kinds, replace) }
}

function inConfig(
  config: Readonly<Record<string, unknown>>,
  type: string,
  kind: Kind,
  path: ConfigPath,
  kinds: KindTable,
  replace: Replace,
): unknown {
  const to = JSON.stringify([type, ...(kind.secretsGoTo ?? []).map((key) => config[key])])
  let replaced: unknown = config
  for (const key of kind.secretKeys ?? []) {
    replaced = atKeys(replaced, key.split('.'), path, (value, at) => replace(value, { type, to, path: at }))
  }
  if (kind.inside) replaced = atKeys(replaced, ['actions'], path, (value, at) => inAction(value, at, kinds, replace))
  return replaced
}

/** A copy with the value at some keys replaced. A list has the keys, or the value, in each of its entries. */
function atKeys(
  value: unknown,
  keys: readonly string[],
  path: ConfigPath,
  replace: (value: unknown, path: ConfigPath) => unknown,
): unknown {
  if (Array.isArray(value)) return value.map((each: unknown, index) => atKeys(each, keys, [...path, index], replace))
  const [key, ...further] = keys
  if (key === undefined) return replace(value, path)
  if (!isRecord(value) || value[key] === undefined) return value
  return { ...value, [key]: atKeys(value[key], further, [...path, key], replace) }
}
