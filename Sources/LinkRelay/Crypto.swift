// The Swift face of CCrypto, and its only importer: random bytes, HMAC, sealing, comparison.
//
// Any thread; no state. A failure of the library is an answer (nil), never a trap, and never a weaker result.
// SPDX-License-Identifier: Apache-2.0

import CCrypto

enum Crypto {
    static let sealKeyBytes = 32
    static let nonceBytes = 12
    static let tagBytes = 16

    /// `count` bytes from the operating system's generator; nil when it has none to give.
    static func random(_ count: Int) -> [UInt8]? {
        var isFilled = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            guard let start = buffer.baseAddress else { return }
            isFilled = lrc_random(start, count)
            filled = isFilled ? count : 0
        }
        return isFilled ? bytes : nil
    }

    /// SHA-256, 32 bytes.
    static func sha256(_ bytes: [UInt8]) -> [UInt8]? {
        digest { out in bytes.withUnsafeBufferPointer { lrc_sha256(pointer($0), $0.count, out) } }
    }

    /// HMAC-SHA-256 (RFC 2104), 32 bytes.
    static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8]? {
        digest { out in
            key.withUnsafeBufferPointer { key in
                bytes.withUnsafeBufferPointer { lrc_hmac_sha256(pointer(key), key.count, pointer($0), $0.count, out) }
            }
        }
    }

    /// AES-256-GCM: a fresh nonce, the ciphertext, the tag. Nil for a key of the wrong size, or when the library fails.
    static func seal(_ plain: [UInt8], key: [UInt8], associated: [UInt8]) -> [UInt8]? {
        guard key.count == sealKeyBytes, let nonce = random(nonceBytes) else { return nil }
        var out = nonce + [UInt8](repeating: 0, count: plain.count + tagBytes)
        let isSealed = out.withUnsafeMutableBufferPointer { out in
            guard let start = out.baseAddress else { return false }
            return key.withUnsafeBufferPointer { key in
                associated.withUnsafeBufferPointer { ad in
                    plain.withUnsafeBufferPointer {
                        lrc_seal(
                            pointer(key), start, pointer(ad), ad.count, pointer($0), $0.count, start + nonceBytes)
                    }
                }
            }
        }
        return isSealed ? out : nil
    }

    /// What `seal` sealed; nil when anything about it, the key or the associated bytes differs.
    static func open(_ sealed: [UInt8], key: [UInt8], associated: [UInt8]) -> [UInt8]? {
        guard key.count == sealKeyBytes, sealed.count > nonceBytes + tagBytes else { return nil }
        let plainBytes = sealed.count - nonceBytes - tagBytes
        var plain = [UInt8](repeating: 0, count: plainBytes)
        let isOpen = plain.withUnsafeMutableBufferPointer { plain in
            guard let out = plain.baseAddress else { return false }
            return key.withUnsafeBufferPointer { key in
                associated.withUnsafeBufferPointer { ad in
                    sealed.withUnsafeBufferPointer { sealed in
                        lrc_open(
                            pointer(key), pointer(sealed), pointer(ad), ad.count, pointer(sealed) + nonceBytes,
                            sealed.count - nonceBytes, out)
                    }
                }
            }
        }
        return isOpen ? plain : nil
    }

    /// How a public key verifies.
    enum Algorithm: Hashable, Sendable { case rs256, es256, edDSA }

    /// Whether `signature` is that of `message` by the key (ccrypto.h says what `a` and `b` are for each algorithm).
    static func verify(_ algorithm: Algorithm, _ a: [UInt8], _ b: [UInt8], _ message: [UInt8], signature: [UInt8]) -> Bool {
        let kind =
            switch algorithm {
            case .rs256: LRC_RS256
            case .es256: LRC_ES256
            case .edDSA: LRC_EDDSA
            }
        return a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                message.withUnsafeBufferPointer { message in
                    signature.withUnsafeBufferPointer { signature in
                        lrc_verify(
                            kind, pointer(a), a.count, pointer(b), b.count, pointer(message), message.count,
                            pointer(signature), signature.count)
                    }
                }
            }
        }
    }

    /// Overwrites, in a way that the optimiser may not remove.
    static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            lrc_wipe(start, buffer.count)
        }
    }

    private static func digest(_ fill: (UnsafeMutablePointer<UInt8>) -> Bool) -> [UInt8]? {
        var isFilled = false
        let bytes = [UInt8](unsafeUninitializedCapacity: 32) { buffer, filled in
            guard let start = buffer.baseAddress else { return }
            isFilled = fill(start)
            filled = isFilled ? 32 : 0
        }
        return isFilled ? bytes : nil
    }

    /// An empty array has no address, and C wants one.
    private static func pointer(_ buffer: UnsafeBufferPointer<UInt8>) -> UnsafePointer<UInt8> {
        buffer.baseAddress ?? UnsafePointer(emptyByte)
    }

    /// One byte that is never read or written: it only lends its address. Immutable, hence shareable.
    nonisolated(unsafe) private static let emptyByte: UnsafeMutablePointer<UInt8> = {
        let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return byte
    }()
}
