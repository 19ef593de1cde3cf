import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { mmdbFile } from '../../../../../test/support/mmdb-file.ts'
import { readAsnFile, readCityFile } from './address-database.ts'

const BERLIN = {
  city: { names: { en: 'Berlin', de: 'Berlin' } },
  continent: { code: 'EU', names: { en: 'Europe' } },
  country: { iso_code: 'DE', is_in_european_union: true, names: { en: 'Germany' } },
  registered_country: { iso_code: 'CH', names: { en: 'Switzerland' } },
  location: { accuracy_radius: 20, latitude: 52.5, longitude: -13.25, metro_code: 501, time_zone: 'Europe/Berlin' },
  postal: { code: '10115' },
  subdivisions: [{ iso_code: 'BE', names: { en: 'Land Berlin' } }, { names: { en: 'Mitte' } }],
}
const NETWORKS = {
  '192.0.2.0/24': BERLIN,
  '192.0.2.128/25': { country: { iso_code: 'US', names: { en: 'United States' } } },
  '198.51.100.7/32': { country: {} },
  '2001:db8::/32': BERLIN,
}

describe('databases of addresses (traffic policy, 5, 13)', () => {
  for (const recordSize of [24, 28, 32] as const) {
    it(`find the place of an address, with records of ${recordSize} bits`, async () => {
      const cityOf = await readCityFile(mmdbFile({ networks: NETWORKS, recordSize }))
      const berlin = {
        location: {
          city: 'Berlin',
          continent: 'Europe',
          country: 'Germany',
          countryCode: 'DE',
          isEu: true,
          latitude: 52.5,
          longitude: -13.25,
          metroCode: '501',
          postalCode: '10115',
          radiusKm: 20,
          subdivision: 'Land Berlin',
          timeZone: 'Europe/Berlin',
        },
        registered: { country: 'Switzerland', countryCode: 'CH', isEu: false },
      }
      for (const address of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1']) {
        assert.deepEqual(cityOf(address), berlin, address)
        assert.deepEqual(cityOf(address), berlin, 'again')
      }
      assert.deepEqual(cityOf('192.0.2.200'), {
        location: { country: 'United States', countryCode: 'US', isEu: false },
      })
      assert.deepEqual(cityOf('198.51.100.7'), { location: { isEu: false } })
    })
  }

  it('do not know every address', async () => {
    const cityOf = await readCityFile(mmdbFile({ networks: NETWORKS }))
    const short = await readCityFile(mmdbFile({ networks: { '0.0.0.0/1': BERLIN, '128.0.0.0/1': BERLIN }, ipVersion: 4 })) // prettier-ignore
    assert.ok(short('192.0.2.7'))
    for (const address of [
      '192.0.3.7',
      '198.51.100.8',
      '2001:db9::1',
      '::1',
      'unknown',
      '',
      '192.0.2',
      '192.0.2.7/24',
    ]) {
      assert.equal(cityOf(address), undefined, address)
    }
    for (const address of ['2001:db8::1', '::1', 'unknown']) assert.equal(short(address), undefined, address)
  })

  it('find the network of an address', async () => {
    const networks = {
      '192.0.2.0/24': { autonomous_system_number: 64_500, autonomous_system_organization: 'Example' },
      '198.51.100.0/24': { autonomous_system_number: 64_501 },
      '203.0.113.0/24': { autonomous_system_organization: 'None' },
    }
    const networkOf = await readAsnFile(mmdbFile({ networks, type: 'DBIP-ASN-Lite (compat=GeoLite2-ASN)' }))
    assert.deepEqual(networkOf('192.0.2.7'), { number: 64_500, organization: 'Example' })
    assert.deepEqual(networkOf('198.51.100.7'), { number: 64_501 })
    assert.deepEqual([networkOf('203.0.113.7'), networkOf('203.0.114.7')], [undefined, undefined])
  })

  it('forget the oldest requested addresses', async () => {
    const cityOf = await readCityFile(mmdbFile({ networks: NETWORKS }))
    const first = cityOf('192.0.2.7')
    assert.equal(cityOf('192.0.2.7'), first)
    for (let index = 0; index < 1000; index++) cityOf(`10.0.${index >> 8}.${index & 255}`)
    const again = cityOf('192.0.2.7')
    assert.ok(again !== first)
    assert.deepEqual(again, first)
  })

  it('are refused if they are another file, or incomplete', async () => {
    const whole = mmdbFile({ networks: NETWORKS })
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('192.0.2.0/24'),
      whole.subarray(0, -60),
      whole.subarray(0, 100),
    ]) {
      await assert.rejects(readCityFile(bytes), /^Error: is not an MMDB file, or is incomplete$/)
    }
    await assert.rejects(readAsnFile(whole), /^Error: is a database of the type "GeoLite2-City", not of networks$/)
    await assert.rejects(readCityFile(mmdbFile({ networks: NETWORKS, type: 'GeoLite2-ASN' })), /"GeoLite2-ASN", not of places/) // prettier-ignore
  })
})
