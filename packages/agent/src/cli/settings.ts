// The settings of every command that reaches the relay: flags over environment over file.

import { X509Certificate } from 'node:crypto'

import { ConfigError } from '@sallyport/protocol/config-error'

import { exposureProblem, findConfigPath, readConfig, readOptionalConfig, readText } from '../plan/config.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../log-words.ts'
import type { LogFormat, LogLevel } from '../log-words.ts'
import type { WrittenSecrets } from '../plan/policy-secrets.ts'
import type { Environment } from '../plan/proxy.ts'

export interface GlobalFlags {
  server?: string
  authtoken?: string
  config?: string
  ca?: string
  proxyUrl?: string
  connections?: number
  region?: string
  log?: string
  logLevel?: LogLevel
  logFormat?: LogFormat
}

export interface Settings {
  server: string | undefined
  authtoken: string | undefined
  ca: string | undefined
  proxyUrl: string | undefined
  connections: number | undefined
  secrets: WrittenSecrets | undefined
  logLevel: LogLevel
  logFormat: LogFormat
  /** Warnings: the file cannot be read, or other users can read the secrets in it. */
  warnings: readonly string[]
}

/**
 * Flags over environment over file.
 * @throws ConfigError if one of them cannot be read, or has an invalid value
 */
export function mergeSettings(flags: GlobalFlags, environment: Environment): Settings {
  const path = findConfigPath(flags.config, environment)
  const isNamed = (flags.config ?? environment['SALLYPORT_CONFIG']) !== undefined
  const { file, problem } = isNamed && path !== undefined ? { file: readConfig(path, true) } : readOptionalConfig(path)
  const exposed = path === undefined ? undefined : exposureProblem(file, path)
  return {
    server: flags.server ?? (environment['SALLYPORT_SERVER'] || file.server),
    authtoken: flags.authtoken ?? (environment['SALLYPORT_AUTHTOKEN'] || file.authtoken),
    ca: flags.ca ?? (environment['SALLYPORT_CA'] || file.ca),
    proxyUrl: flags.proxyUrl ?? (environment['SALLYPORT_PROXY_URL'] || file.proxy_url),
    connections: flags.connections ?? connectionsOf(environment) ?? file.connections,
    secrets: file.secrets,
    logLevel: flags.logLevel ?? choose('SALLYPORT_LOG_LEVEL', LOG_LEVELS, environment) ?? file.log?.level ?? 'info',
    logFormat:
      flags.logFormat ?? choose('SALLYPORT_LOG_FORMAT', LOG_FORMATS, environment) ?? file.log?.format ?? 'pretty',
    warnings: [problem, exposed].filter((one) => one !== undefined),
  }
}

function connectionsOf(environment: Environment): number | undefined {
  const text = environment['SALLYPORT_CONNECTIONS']
  if (!text) return undefined
  if (/^\d{1,2}$/.test(text)) return Number(text)
  throw new ConfigError([{ path: 'SALLYPORT_CONNECTIONS', message: `"${text}" is not a number of connections.` }])
}

function choose<T extends string>(name: string, known: readonly T[], environment: Environment): T | undefined {
  const value = environment[name]
  if (!value) return undefined
  const chosen = known.find((candidate) => candidate === value)
  if (chosen) return chosen
  throw new ConfigError([{ path: name, message: `"${value}" is not known. Write one of: ${known.join(', ')}.` }])
}

/** The text of a file with a certificate in PEM form. */
export function readCertificate(flag: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  const pem = readText(path, true) ?? '' // `required` throws rather than return undefined
  try {
    void new X509Certificate(pem)
    return pem
  } catch (error) {
    throw new ConfigError([{ path: flag, message: `${path} holds no certificate in PEM form.` }], { cause: error })
  }
}
