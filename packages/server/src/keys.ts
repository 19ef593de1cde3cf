// Ground floor: the key of the relay, and the keys derived from it. Everything that is sealed, signed or encrypted at
// rest starts here. Derived keys are bound to one purpose, so that a box made for one thing opens nothing else.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { link, open, rm, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'

import { makeFolder } from '@sallyport/protocol/make-folder'

import { ConfigError } from './errors.ts'

const KEY_BYTES = 32
const SECRET_MIN_CHARS = 32
const NONCE_BYTES = 12 // NIST SP 800-38D 5.2.1.1: 96 bits; random ones are safe for 2^32 boxes of one purpose
const TAG_BYTES = 16
const BOX_VERSION = 1
const FILE_MAX_BYTES = 1024

export interface OpenKeysInit {
  /** The database; the key file is beside it. */
  storePath: string
  /** `SALLYPORT_SECRET` in it overrides the file. */
  env: NodeJS.ProcessEnv
}

export class Keys {
  readonly #secret: Uint8Array
  /** The file, if it was made for this object. */
  readonly #madeFile: string | undefined

  /** Use `Keys.open`. */
  constructor(secret: Uint8Array, madeFile?: string) {
    this.#secret = secret
    this.#madeFile = madeFile
  }

  /** @throws ConfigError without a usable key, with a sentence for the operator */
  static async open({ storePath, env }: OpenKeysInit): Promise<Keys> {
    const secret = env['SALLYPORT_SECRET']
    if (secret === undefined || secret === '') return readOrMakeFile(keyFileOf(storePath))
    if (secret.length < SECRET_MIN_CHARS) {
      const message = `is shorter than ${SECRET_MIN_CHARS} characters; make one with: openssl rand -base64 32`
      throw new ConfigError([{ path: 'SALLYPORT_SECRET', message }])
    }
    return new Keys(Buffer.from(secret))
  }

  /** Removes a file that was made a moment ago, if it turns out that the database has another key. */
  async discardMade(): Promise<void> {
    if (this.#madeFile !== undefined) await unlink(this.#madeFile)
  }

  /** A key of 32 bytes that stays the same for one purpose and reveals nothing about any other. RFC 5869. */
  deriveKey(purpose: string): Uint8Array {
    return new Uint8Array(hkdfSync('sha256', this.#secret, '', `sallyport ${purpose}`, KEY_BYTES))
  }

  /** Encrypts and authenticates a text, or bytes. The box is base64url, so it fits into a cookie or a URL. */
  sealBox(purpose: string, plaintext: string | Uint8Array): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#boxKey(purpose), nonce).setAAD(Buffer.from(purpose))
    const bytes = typeof plaintext === 'string' ? Buffer.from(plaintext, 'utf8') : plaintext
    const sealed = [cipher.update(bytes), cipher.final(), cipher.getAuthTag()]
    return Buffer.concat([Buffer.of(BOX_VERSION), nonce, ...sealed]).toString('base64url')
  }

  /** The text in the box; undefined if the box was made for another purpose, with another key, or was tampered with. */
  openBox(purpose: string, box: string): string | undefined {
    return this.openBytes(purpose, box)?.toString('utf8')
  }

  /** As openBox(), of a box of bytes. */
  openBytes(purpose: string, box: string): Buffer | undefined {
    const bytes = Buffer.from(box, 'base64url')
    // Node.js skips characters that are not base64url; a box has exactly one spelling.
    if (bytes.toString('base64url') !== box) return undefined
    if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] !== BOX_VERSION) return undefined
    const nonce = bytes.subarray(1, 1 + NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#boxKey(purpose), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      const opened = decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES))
      return Buffer.concat([opened, decipher.final()])
    } catch {
      return undefined // final() throws if the tag does not fit, and says no more than that
    }
  }

  #boxKey(purpose: string): Uint8Array {
    return this.deriveKey(`box ${purpose}`)
  }
}

/** `relay.db` → `relay.secret`: a name that no TLS key has */
export function keyFileOf(storePath: string): string {
  return join(dirname(storePath), `${basename(storePath, extname(storePath))}.secret`)
}

async function readOrMakeFile(path: string): Promise<Keys> {
  try {
    const secret = await readKeyFile(path)
    return secret ? new Keys(secret) : await makeKeyFile(path)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([{ path, message: systemProblem(error) }], { cause: error })
  }
}

async function readKeyFile(path: string): Promise<Uint8Array | undefined> {
  let file
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { mode, size } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new ConfigError([{ path, message: `other users may read the key of the relay; run: chmod 600 ${path}` }])
    }
    const text = size > FILE_MAX_BYTES ? '' : (await file.readFile('utf8')).trim()
    const secret = Buffer.from(text, 'base64url')
    if (secret.length === KEY_BYTES && secret.toString('base64url') === text) return secret
    const message =
      'is not a key of the relay; restore it from a copy, or remove it together with the database to start again'
    throw new ConfigError([{ path, message }])
  } finally {
    await file.close()
  }
}

async function makeKeyFile(path: string): Promise<Keys> {
  makeFolder(dirname(path))
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const secret = randomBytes(KEY_BYTES)
  try {
    // wx is O_CREAT | O_EXCL; flush, because data encrypted with it must never outlive it
    await writeFile(draft, `${secret.toString('base64url')}\n`, { flag: 'wx', mode: 0o600, flush: true })
    // Fails if the name is taken, like O_EXCL, but a reader never finds half a key under that name.
    await link(draft, path)
    return new Keys(secret, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    const other = await readKeyFile(path) // another relay on this store was a moment faster
    if (!other) throw error
    return new Keys(other)
  } finally {
    await rm(draft, { force: true })
  }
}

function systemProblem(error: unknown): string {
  const code = codeOf(error)
  if (code === 'EACCES' || code === 'EPERM')
    return 'may not be opened by this user; change the owner of the file and its folder'
  if (code === 'EROFS') return 'cannot be made on a read-only disk; set SALLYPORT_SECRET, or move the store'
  if (code === 'ENOENT') return 'the folder of this path cannot be made there; move the store'
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a part of this path is a file, not a folder; move the store'
  return `the key of the relay cannot be read or made: ${error instanceof Error ? error.message : String(error)}`
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
