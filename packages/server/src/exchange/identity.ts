// The identity of a visitor after sign-in. Set by a sign-in action, turned into headers by forward/headers.

export interface Identity {
  /** The provider's `sub`, unique together with the issuer. */
  subject: string
  issuer: string
  name?: string
  /** Present only if it counts: the provider says that it is verified, or does not have to say so. */
  email?: string
  groups: readonly string[]
  /** When the provider last saw the visitor's credentials, in seconds, if it says so. */
  authTime?: number
  /** The signed `Sallyport-Auth-Jwt`, if the route wants one. */
  jwt?: string
  /** The provider's own token, if the route passes it on. */
  accessToken?: string
}
