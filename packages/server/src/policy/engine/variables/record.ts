// Records: variables with named fields, such as `req` or `conn.tls`. One table defines everything about a record: the types for the
// type check, the known names, the reader of each value, and the words for docs. Values are computed when they are read.
// Pure: no I/O, no clock.

import type { Phase } from '../phase.ts'
import { ENTRIES } from '../values.ts'

/** A data source that the operator has to set up before a variable can be read. */
export type Need = 'city_file' | 'asn_file' | 'ip_lists' | 'blocklist' | 'tor' | 'region'

export interface Field<Facts> {
  /** Its type in CEL; `string` for a text with fields, empty for other records. */
  readonly type: string
  /** For the docs. */
  readonly about: string
  /** Returns undefined if the field is absent: `has()` is false then. */
  readonly read?: (facts: Facts) => unknown
  /** The record below it. */
  readonly record?: RecordType
  readonly part?: (facts: Facts) => object | undefined
  readonly phases?: readonly Phase[]
  readonly needs?: Need
  /** The cost of reading it, in units of the budget: charged within comprehensions, which may read it a million times. */
  readonly units?: number
  /** The current name, if this is an older one. */
  readonly older?: string
  /** Why this relay does not have it. */
  readonly refusal?: string
}

export interface RecordType {
  /** Its type in CEL. */
  readonly name: string
  readonly fields: ReadonlyMap<string, Field<never>>
  /** The class that expressions read the fields of. */
  readonly View: new (facts: never) => object
}

/**
 * The hidden name of the record behind a text with fields. Expressions cannot contain it, because names in CEL have no
 * `$`.
 */
export function recordNameOf(field: string): string {
  return `$${field}`
}

/** @param name its type in CEL, for example `sallyport.Request` */
export function defineRecord<Facts extends object>(
  name: string,
  fields: Readonly<Record<string, Field<Facts>>>,
): RecordType & { readonly View: new (facts: Facts) => object } {
  class View {
    readonly $facts: Facts
    constructor(facts: Facts) {
      this.$facts = facts
    }

    *[ENTRIES](): Generator<[string, unknown]> {
      for (const [key, { needs, refusal, older }] of Object.entries(fields)) {
        if (needs !== undefined || refusal !== undefined || older !== undefined) continue
        const value: unknown = Reflect.get(this, key)
        if (value !== undefined) yield [key, value]
      }
    }
  }
  for (const [key, { read, record, part }] of Object.entries(fields)) {
    if (read) {
      Object.defineProperty(View.prototype, key, {
        get(this: View): unknown {
          return read(this.$facts)
        },
      })
    }
    if (!record || !part) continue
    const Part = record.View as new (facts: object) => object // `part` returns the facts that `record` was made for
    Object.defineProperty(View.prototype, read ? recordNameOf(key) : key, {
      get(this: View): object | undefined {
        const facts = part(this.$facts)
        return facts && new Part(facts)
      },
    })
  }
  return { name, fields: new Map(Object.entries(fields)), View }
}

/** A plain value. */
export function value<Facts>(
  type: string,
  about: string,
  read: (facts: Facts) => unknown,
  more: Pick<Field<Facts>, 'phases' | 'needs' | 'units'> = {},
): Field<Facts> {
  return { type, about, read, ...more }
}

/** A record below a record. */
export function part<Facts, Part extends object>(
  record: RecordType & { readonly View: new (facts: Part) => object },
  about: string,
  get: (facts: Facts) => Part | undefined,
  more: Pick<Field<Facts>, 'phases' | 'needs' | 'units'> = {},
): Field<Facts> {
  return { type: '', about, record, part: get, ...more }
}

/**
 * A text with fields (section 5 of the reference): a select reads the record, everything else the text. So both
 * `req.url.contains('/x')` and `req.url.path` are possible.
 */
export function textWithFields<Facts, Part extends object>(
  record: RecordType & { readonly View: new (facts: Part) => object },
  about: string,
  read: (facts: Facts) => string | undefined,
  get: (facts: Facts) => Part | undefined,
  more: Pick<Field<Facts>, 'units'> = {},
): Field<Facts> {
  return { type: 'string', about, read, record, part: get, ...more }
}

/** A name of 2024 with another type than the current one. Names that were only renamed are in tree/older-names.ts. */
export function older<Facts>(since: string, type: string, read: (facts: Facts) => unknown): Field<Facts> {
  return { type, about: since, read, older: since, units: OLDER_UNITS }
}

const OLDER_UNITS = 300 // cookies, at most

/**
 * A variable of ngrok that this relay cannot have. A condition on it is refused; it never reads an empty text
 * instead.
 */
export function refused<Facts>(refusal: string): Field<Facts> {
  return { type: '', about: refusal, refusal }
}
