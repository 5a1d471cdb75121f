// Signed tokens: what is taken, and that nothing a token says about itself makes up for a wrong signature, time or audience.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct AccessTokenTests {
    private static let modulus =
        "iaQ60NtozyGJQ3D-cF8RSdRGPQdXmM3c0DpAW6i7TCGSvi0cTwzl3KykhxvrErKjQwbjK8o5D3isNs6tYy7ZMgWJNbA66Ryl6cPx"
        + "GaPU-6ez75m2g7AgAhxH_0p59tgDT7sdPmKNt8AoDRL1IaJy9yJICe21uQbZ6reUf9XcjpNeSQfEUbAXciADvKXO1wXxuVpH2agx"
        + "HenzAr7FCHJPIhWhuuOyTRmxlAN7QqMGHb4kfMOtHqNkxPOJGHuEzBBl1s2PlGn_X8_pBIHKmDp1K3K7d_J7wlNRduGB1vT-YyXq"
        + "2b4HX86--LQ3Pql_KlZS9pWCZaKjhM5tXDE7N6Z8UQ"
    private static let token =
        "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQ"
        + "iOlsib3RoZXIiLCJsaW5rcmVsYXkiXSwic3ViIjoiYWRhIiwiZXhwIjoyMDAwMDAwMDAwLCJuYmYiOjE5MDAwMDAwMDAuNSwic2N"
        + "vcGUiOiJvcGVuaWQgbGluayBhZG1pbiJ9.ZRe2JDhiqNsr9xyVYK3b5HykMR1X2V7kN_Gh9GPAcQ9j_z4cF2tQEZW_ga4chcJ3zC"
        + "HZMsfe0s1TrLdxeoOewtO0KWlHWsO2wAE7wTFHe_zOyikpdsL42AK18AcYS4O0yO9FoCCgWDASy-NOgvJH_qwEB-KN_EjP0K2WJq"
        + "0BVBbeGqMqYmBWdkz1fT8dB8qbi5pCOSqXE2-z0DYrDyX1uEtVflNZUNAakK-EYBrCPNA1ePPzcICh2F45vpl5ZcKnxA47kvV3WO"
        + "1s2TfRBrCWeBa7k8bzPY7RW27IRXKSeOhzzUQ0HD2_F9V3lnd2pPTvRLndMugI5BrnHWIG_QNTXg"
    /// RFC 7515 A.3 and RFC 8037 A.4.
    private static let es256 = (
        x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        signed: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    private static let edDSA = (
        x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", signed: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )

    private func keys(_ text: String) throws -> JSONWebKeys { try #require(JSONWebKeys(parsing: Array(text.utf8))) }

    private func rsa(_ more: String = "") throws -> JSONWebKeys {
        try keys(#"{"keys":[{"kty":"RSA","n":"\#(Self.modulus)","e":"AQAB"\#(more)}]}"#)
    }

    private func verify(
        _ token: String = token, _ keys: JSONWebKeys? = nil, issuer: String = "https://login.example",
        audience: String = "linkrelay", claim: String = "sub", now: Int64 = 1_950_000_000
    ) throws -> OutsideIdentity? {
        let trust = TokenTrust(keys: try keys ?? rsa(), issuer: issuer, audience: audience, userClaim: claim)
        return JSONWebToken.verify(token, trust, now: now)
    }

    @Test func taken() throws {
        let ada = OutsideIdentity(name: "ada", scopes: [.link, .admin])
        #expect(try verify() == ada)
        for more in [#","kid":"one""#, #","alg":"RS256","use":"sig""#] { #expect(try verify(Self.token, rsa(more)) == ada) }
        #expect(try verify(now: 2_000_000_059) == ada && verify(now: 1_899_999_940) == ada)
        #expect(try verify(claim: "iss")?.name == "https://login.example")
    }

    @Test func notTaken() throws {
        #expect(try verify(now: 2_000_000_060) == nil)
        #expect(try verify(now: 1_899_999_939) == nil)
        #expect(try verify(issuer: "https://login.example/") == nil)
        #expect(try verify(issuer: "https://LOGIN.example") == nil)
        #expect(try verify(audience: "link") == nil)
        #expect(try verify(claim: "name") == nil && verify(claim: "aud") == nil)
        #expect(try verify(Self.token, rsa(#","kid":"two""#)) == nil)
        #expect(try verify(Self.token + "A") == nil && verify(Self.token + "=") == nil && verify(Self.token + ".") == nil)
        #expect(try verify(String(Self.token.dropLast())) == nil)
        #expect(try verify("") == nil && verify("..") == nil && verify("a.b.c") == nil)
    }

    /// Every single changed character of the signed part or the signature makes it another token.
    @Test func changedAnywhere() throws {
        let bytes = Array(Self.token.utf8)
        for i in stride(from: 0, to: bytes.count, by: 7) {
            var changed = bytes
            changed[i] = changed[i] == 0x41 ? 0x42 : 0x41
            if changed != bytes { #expect(try verify(String(decoding: changed, as: UTF8.self)) == nil, "byte \(i)") }
        }
    }

    @Test func keysThatAreNone() throws {
        for text in [
            "", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
            #"{"keys":[{"kty":"RSA","n":"AQAB"}]}"#, #"{"keys":[{"kty":"RSA","n":"A Q","e":"AQAB"}]}"#,
            #"{"keys":[{"kty":"RSA","n":"\#(Self.modulus)","e":"AQAB","use":"enc"}]}"#,
            #"{"keys":[{"kty":"RSA","n":"\#(Self.modulus)","e":"AQAB","alg":"HS256"}]}"#,
            #"{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}]}"#, #"{"keys":[{"kty":"OKP","crv":"X25519","x":"AA"}]}"#,
        ] {
            #expect(JSONWebKeys(parsing: Array(text.utf8)) == nil, "\(text)")
        }
        let mixed = try keys(
            #"{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed25519","x":"\#(Self.edDSA.x)"},{"kty":"RSA","n":"\#(Self.modulus)","e":"AQAB"}]}"#)
        #expect(mixed.keys.map(\.algorithm) == [.edDSA, .rs256])
        #expect(try verify(Self.token, mixed)?.name == "ada")
    }

    @Test func signaturesOfTheStandards() throws {
        let decode = { (text: String) throws -> [UInt8] in try #require(Base64URL.decode(text.utf8)) }
        let (x, y, es) = (try decode(Self.es256.x), try decode(Self.es256.y), try decode(Self.es256.signature))
        let message = Array(Self.es256.signed.utf8)
        #expect(Crypto.verify(.es256, x, y, message, signature: es))
        #expect(!Crypto.verify(.es256, x, y, message + [0], signature: es))
        #expect(!Crypto.verify(.es256, x, x, message, signature: es))
        #expect(!Crypto.verify(.es256, x, y, message, signature: [UInt8](repeating: 0, count: 64)))
        #expect(!Crypto.verify(.es256, x, y, message, signature: es.dropLast() + []))
        #expect(!Crypto.verify(.es256, x, y, message, signature: []))
        let (key, ed) = (try decode(Self.edDSA.x), try decode(Self.edDSA.signature))
        #expect(Crypto.verify(.edDSA, key, [], Array(Self.edDSA.signed.utf8), signature: ed))
        #expect(!Crypto.verify(.edDSA, key, [], Array(Self.edDSA.signed.utf8) + [0], signature: ed))
        #expect(!Crypto.verify(.edDSA, key, [0], Array(Self.edDSA.signed.utf8), signature: ed))
        #expect(!Crypto.verify(.edDSA, [], [], [], signature: []))
        // Too small, even, or with an exponent that signs nothing.
        let modulus = try decode(Self.modulus)
        for (n, e) in [(Array(modulus.prefix(128)), [UInt8](arrayLiteral: 1, 0, 1)), (modulus, [1]), (modulus, [2]), (modulus, []), (modulus.dropLast() + [0], [3])] {
            #expect(!Crypto.verify(.rs256, n, e, [1], signature: [UInt8](repeating: 0, count: 256)))
        }
    }

    @Test(arguments: [
        ("", [] as [UInt8]?), ("AA", [0]), ("AQAB", [1, 0, 1]), ("-_8", [0xFB, 0xFF]), ("A", nil), ("AB", nil), ("AAB", nil), ("AA=", nil), ("A A", nil),
        ("+/", nil), ("AAAAA", nil),
    ])
    func base64url(_ text: String, _ bytes: [UInt8]?) { #expect(Base64URL.decode(text.utf8) == bytes) }

    @Test func proxiesNameUsers() {
        let outside = OutsideAccounts(userHeader: "x-user")
        func answer(_ values: [String], trusted: Bool = true) -> OutsideAccounts.HeaderAnswer {
            var request = HTTPRequest(method: "GET", path: "/", headers: values.map { ("x-user", $0) })
            request.isFromTrustedProxy = trusted
            return outside.user(namedBy: request)
        }
        #expect(answer(["ada"]) == .named("ada"))
        #expect(answer(["ada"], trusted: false) == .absent)
        #expect(answer([]) == .absent && answer([""]) == .absent)
        for values in [["ada", "bob"], ["ada", "ada"], ["", "ada"], ["ada bob"], ["\u{E4}da"], ["-ada"], [String(repeating: "a", count: 65)]] {
            #expect(answer(values) == .unusable, "\(values)")
        }
    }

    @Test func namesOfOwnersAreNotForOutsiders() async throws {
        let rest = try await RestFixture()
        #expect(try await rest.accounts.outsider(named: Accounts.ownerName) == nil)
        let ada = try #require(try await rest.accounts.outsider(named: "ada"))
        #expect(ada.role == .user)
        #expect(try await rest.accounts.outsider(named: "ada") == ada)
        #expect(try await rest.accounts.outsider(named: "not a name") == nil)
    }
}
