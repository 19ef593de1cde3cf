// Problems found outside the file, such as a taken port or a missing certificate, name a key by its path. This adds the
// line of that key, as for problems inside the file.

import { ConfigError, type ConfigProblem } from '../errors.ts'
import type { ConfigPath } from '@sallyport/protocol/found-problem'
import type { ConfigSource } from './load-config.ts'
import { YamlFile } from '@sallyport/protocol/yaml-file'

/** @param problems of any kind; a problem without a key of the file stays unchanged */
export function withLines(problems: readonly ConfigProblem[], { text, source }: ConfigSource): ConfigProblem[] {
  const yaml = new YamlFile(text, source)
  return problems.map(({ path, message }) => {
    const steps = stepsOf(path)
    return steps ? yaml.located({ path: steps, message }) : { path, message }
  })
}

/** For callers that pass an error on. */
export function errorWithLines(error: unknown, source: ConfigSource): unknown {
  if (!(error instanceof ConfigError)) return error
  return new ConfigError(withLines(error.problems, source), { cause: error })
}

/** `tls.certificates[0].cert_file`, as YamlFile writes it. */
function stepsOf(path: string): ConfigPath | undefined {
  if (!/^[a-z]\w*(?:\.[a-z]\w*|\[\d+\])*$/.test(path)) return undefined
  return path.split(/[.[\]]+/).flatMap((step) => (step === '' ? [] : [/^\d+$/.test(step) ? Number(step) : step]))
}
