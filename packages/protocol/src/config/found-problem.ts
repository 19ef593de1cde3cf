// A problem with a configured value, and its place. Pure.

/** The place of a value in the file. */
export type ConfigPath = readonly PropertyKey[]

export interface FoundProblem {
  path: ConfigPath
  message: string
}

/** The text in the file is not known here, only the number that it was read as: YamlFile adds it. */
export const WANTS_QUOTES = 'must be text; write it in quotes'
