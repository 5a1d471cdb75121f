// Hashes, seals and the master key's file. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct KeysVaultTests {
    private let vault = KeyVault(master: [UInt8](0..<32))
    private let other = KeyVault(master: [UInt8](1..<33))

    @Test func sealsOpenOnlyUntouchedAndOnlyHere() throws {
        let key = try #require(vault.randomKey())
        let sealed = try vault.seal(key: key)
        #expect(vault.open(sealed) == key.hex)
        #expect(try vault.seal(key: key) != sealed, "a fresh nonce each time")
        #expect(other.open(sealed) == nil)
        for position in sealed.bytes.indices {
            for bit in 0..<8 {
                var bytes = sealed.bytes
                bytes[position] ^= 1 << UInt8(bit)
                #expect(vault.open(SealedKey(bytes: bytes)) == nil)
            }
        }
        for count in 0..<sealed.bytes.count { #expect(vault.open(SealedKey(bytes: Array(sealed.bytes.prefix(count)))) == nil) }
        #expect(vault.open(SealedKey(bytes: sealed.bytes + [0])) == nil)
    }

    @Test func codesSealAndKindsDoNotMix() throws {
        let code = PairingCode(truncating: 0x00A1B2)
        #expect(vault.open(try vault.seal(code: code)) == "00a1b2")
        #expect(vault.openKey(try vault.seal(code: code)) == nil)
    }

    @Test func hashesAreKeyedAndSeparate() throws {
        let text = "0123456789abcdef"
        let hashes = [
            vault.hash(token: text), vault.hash(ticket: text), vault.hash(cookie: text), vault.hash(fingerprint: Array(text.utf8)),
            vault.mark, vault.hash(.code(PairingCode(truncating: 1))), other.hash(token: text), other.mark,
        ]
        #expect(Set(hashes).count == hashes.count)
        #expect(hashes.allSatisfy { $0.bytes.count == 32 })
        #expect(vault.hash(token: text) == KeyVault(master: [UInt8](0..<32)).hash(token: text))
    }

    @Test func randomSecretsHaveTheirForms() throws {
        let token = try #require(vault.randomToken())
        #expect(token.hasPrefix("lr_") && token.utf8.count == 67)
        #expect(Set((0..<100).compactMap { _ in vault.randomToken() }).count == 100)
        #expect(Set((0..<100).compactMap { _ in vault.randomKey() }).count == 100)
        #expect(try #require(vault.randomCode()).hex.utf8.count == 6)
        #expect("\(vault)" == "KeyVault(redacted)")
    }

    @Test func theFileIsMadeOnceForItsOwner() throws {
        let directory = try TemporaryDirectory()
        let first = try KeyVault.open(path: directory.path, credentialsDirectory: nil)
        #expect(directory.names == ["linkrelay.key"])
        #expect(directory.mode(of: "linkrelay.key") == 0o600)
        #expect(directory.bytes(of: "linkrelay.key").count == 32)
        #expect(try KeyVault.open(path: directory.path + "/linkrelay.key", credentialsDirectory: nil).mark == first.mark)
        #expect(try KeyVault.open(path: directory.path, credentialsDirectory: "/nonexistent").mark == first.mark)
    }

    @Test func manyFirstStartsMakeOneKey() async throws {
        let directory = try TemporaryDirectory()
        let marks = await withTaskGroup(of: SecretHash?.self) { group in
            for _ in 0..<16 { group.addTask { try? KeyVault.open(path: directory.path, credentialsDirectory: nil).mark } }
            return await group.reduce(into: [SecretHash?]()) { $0.append($1) }
        }
        #expect(!marks.contains(nil) && Set(marks).count == 1)
        #expect(directory.names == ["linkrelay.key"])
    }

    @Test func aCredentialWins() throws {
        let directory = try TemporaryDirectory()
        let credentials = try TemporaryDirectory()
        credentials.write([UInt8](0..<32), to: "linkrelay.key")
        #expect(try KeyVault.open(path: directory.path, credentialsDirectory: credentials.path).mark == vault.mark)
        #expect(directory.names.isEmpty)
        credentials.write([1, 2, 3], to: "linkrelay.key")
        #expect(throws: KeyVaultError.wrongSize(path: credentials.path + "/linkrelay.key", byteCount: 3)) {
            try KeyVault.open(path: directory.path, credentialsDirectory: credentials.path)
        }
    }

    @Test func badFilesAreRefusedAndLeftAlone() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/linkrelay.key"
        for bytes: [UInt8] in [[], [1], [UInt8](repeating: 7, count: 31), [UInt8](repeating: 7, count: 33)] {
            directory.write(bytes, to: "linkrelay.key")
            chmod(path, 0o600)
            #expect(throws: KeyVaultError.wrongSize(path: path, byteCount: bytes.count)) {
                try KeyVault.open(path: directory.path, credentialsDirectory: nil)
            }
            #expect(directory.bytes(of: "linkrelay.key") == bytes)
        }
        directory.write([UInt8](repeating: 7, count: 32), to: "linkrelay.key")
        chmod(path, 0o644)
        #expect(throws: KeyVaultError.readableByOthers(path: path)) {
            try KeyVault.open(path: directory.path, credentialsDirectory: nil)
        }
        #expect(throws: KeyVaultError.self) { try KeyVault.open(path: "/nonexistent/linkrelay.key", credentialsDirectory: nil) }
    }

    @Test(arguments: StoreKind.allCases)
    func aForeignMasterKeyIsRefusedAndWipesNothing(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        let foreign = KeyService(
            store: bench.store, vault: other, policy: KeyPolicy(), wrongCodes: WrongCodeLimiter(), wallClock: { 0 }, monotonic: { 0 })
        do {
            try await foreign.preload()
            Issue.record("accepted")
        } catch {
            #expect(error.kind == .corrupt && error.detail.contains("linkrelay.key"))
        }
        let keys = try await bench.restarted()
        #expect(keys.liveKeyCount == 1)
        #expect(try await bench.join(key) == .admitted(made.id))
    }

    @Test(arguments: StoreKind.allCases)
    func rowsThatDoNotOpenAreACorruptStore(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (_, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let codeHash = bench.vault.hash(try #require(JoinCredential(parsing: code.utf8)))
        let sealed = try other.seal(key: try #require(other.randomKey()))
        let result = try await bench.store.exchange(
            code: codeHash, by: hash(1), from: "here", newKey: .key(hash: hash(2), sealed: sealed),
            repeatableUntil: bench.wall.now + 1, now: bench.wall.now)
        guard case .exchanged = result else { Issue.record("\(result)"); return }
        #expect(await storeFailure { _ = try await bench.restarted() } == .corrupt)
        #expect(try await bench.keys.list(of: bench.user).map(\.keyText) == [""])
    }
}
