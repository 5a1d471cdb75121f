// What turns secrets into what may be stored: keyed hashes for finding them, seals for showing them again.
//
// Any thread; immutable after `init`. The master key never leaves this file, and a database without it is worth nothing.
// Hashes of different kinds never collide, since each kind has its own prefix. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

package final class KeyVault: Sendable, CustomStringConvertible {
    package static let masterBytes = 32

    /// Nil when the library failed: such a vault knows no hash and opens no seal.
    private let hashKey: [UInt8]?
    private let sealKey: [UInt8]?

    private enum Kind: UInt8 { case code = 1, key, token, fingerprint, ticket, cookie, mark = 8 }

    private static let keySeal = Array("linkrelay sealed link key v1".utf8)
    private static let codeSeal = Array("linkrelay sealed pairing code v1".utf8)
    private static let roomSeal = Array("linkrelay sealed room v1".utf8)
    private static let codeBytes = 3

    /// From `masterBytes` random bytes.
    package init(master: [UInt8]) {
        hashKey = Crypto.hmac(key: master, Array("linkrelay hash key v1".utf8))
        sealKey = Crypto.hmac(key: master, Array("linkrelay seal key v1".utf8))
    }

    var isUsable: Bool { hashKey != nil && sealKey != nil }

    package var description: String { "KeyVault(redacted)" }

    // Hashes.

    package func hash(_ credential: JoinCredential) -> SecretHash {
        switch credential {
        case .code(let code): hash(.code, code.bytes)
        case .key(let key): hash(.key, key.bytes)
        }
    }

    package func hash(token: String) -> SecretHash { hash(.token, Array(token.utf8)) }
    package func hash(ticket: String) -> SecretHash { hash(.ticket, Array(ticket.utf8)) }
    package func hash(cookie: String) -> SecretHash { hash(.cookie, Array(cookie.utf8)) }
    package func hash(fingerprint: [UInt8]) -> SecretHash { hash(.fingerprint, fingerprint) }

    /// Says which vault this is without saying anything about its keys.
    package var mark: SecretHash { hash(.mark, []) }

    /// A failing library gives an empty hash: no store accepts one, and it equals nothing stored.
    private func hash(_ kind: Kind, _ bytes: [UInt8]) -> SecretHash {
        SecretHash(bytes: hashKey.flatMap { Crypto.hmac(key: $0, [kind.rawValue] + bytes) } ?? [])
    }

    // Seals.

    package func seal(key: LinkKey) throws(KeyVaultError) -> SealedKey { try seal(key.bytes, Self.keySeal) }
    package func seal(code: PairingCode) throws(KeyVaultError) -> SealedKey { try seal(code.bytes, Self.codeSeal) }

    /// What a room owes its members holds prompts and pictures: sealed like a key.
    package func seal(room bytes: [UInt8]) throws(KeyVaultError) -> [UInt8] { try seal(bytes, Self.roomSeal).bytes }
    /// Nil when it was tampered with or sealed by another vault.
    package func openRoom(_ sealed: [UInt8]) -> [UInt8]? { open(SealedKey(bytes: sealed), Self.roomSeal) }

    private func seal(_ bytes: [UInt8], _ associated: [UInt8]) throws(KeyVaultError) -> SealedKey {
        guard let sealKey, let sealed = Crypto.seal(bytes, key: sealKey, associated: associated) else {
            throw .cryptoUnavailable
        }
        return SealedKey(bytes: sealed)
    }

    /// The hex text of what was sealed, key or code; nil when it was tampered with or sealed by another vault.
    package func open(_ sealed: SealedKey) -> String? {
        switch sealed.bytes.count - Crypto.nonceBytes - Crypto.tagBytes {
        case Self.codeBytes:
            return open(sealed, Self.codeSeal).map { Hex.encode($0) }
        case LinkKey.byteCount:
            return openKey(sealed)?.hex
        default:
            return nil
        }
    }

    /// Like `open`, for a link key.
    package func openKey(_ sealed: SealedKey) -> LinkKey? {
        open(sealed, Self.keySeal).flatMap { LinkKey(bytes: $0) }
    }

    private func open(_ sealed: SealedKey, _ associated: [UInt8]) -> [UInt8]? {
        sealKey.flatMap { Crypto.open(sealed.bytes, key: $0, associated: associated) }
    }

    // New secrets; nil when the operating system has no random bytes.

    package func randomKey() -> LinkKey? { Crypto.random(LinkKey.byteCount).flatMap { LinkKey(bytes: $0) } }

    package func randomCode() -> PairingCode? {
        Crypto.random(Self.codeBytes).map { PairingCode(truncating: $0.reduce(0) { $0 << 8 | UInt32($1) }) }
    }

    /// A bearer token: "lr_" and 256 random bits in hex.
    package func randomToken() -> String? { randomText().map { "lr_" + $0 } }

    /// 256 random bits in hex: tickets and cookies.
    package func randomText() -> String? { Crypto.random(32).map { Hex.encode($0) } }
}
