// Which numeric addresses are somewhere on the public internet: what a stranger may make an install download from.
//
// Pure, any thread. After the IANA special-purpose registries (RFC 6890 and its updates), with the addresses on which clouds tell
// their machines secrets. Whatever embeds an IPv4 address is judged by that one. SPDX-License-Identifier: Apache-2.0

enum NetworkRanges {
    /// IPv4 networks that are not public: their bytes and how many bits count.
    private static let specialV4: [(bytes: [UInt8], bits: Int)] = [
        ([0], 8), ([10], 8), ([100, 64], 10), ([127], 8), ([169, 254], 16), ([172, 16], 12), ([192, 0, 0], 24),
        ([192, 0, 2], 24), ([192, 88, 99], 24), ([192, 168], 16), ([198, 18], 15), ([198, 51, 100], 24), ([203, 0, 113], 24),
        ([224], 4), ([240], 4), ([168, 63, 129, 16], 32),
    ]

    /// Parts of 2000::/3 that are not public, or that lead to an address which is not in sight.
    private static let specialV6: [(bytes: [UInt8], bits: Int)] = [
        ([0x20, 0x01, 0x00], 23), ([0x20, 0x01, 0x0D, 0xB8], 32), ([0x3F, 0xFF], 20),
    ]

    private static let link: [(bytes: [UInt8], bits: Int)] = [
        ([0], 8), ([169, 254], 16), ([224], 4), ([240], 4), ([168, 63, 129, 16], 32),
    ]

    /// `bytes` are 4 or 16, in network order.
    static func isPublic(_ bytes: [UInt8]) -> Bool {
        if bytes.count == 4 { return !isIn(bytes, specialV4) }
        guard bytes.count == 16 else { return false }
        if let inner = embeddedV4(bytes) { return isPublic(inner) }
        // Only global unicast is assigned; ISATAP hides an IPv4 address behind any prefix.
        guard bytes[0] & 0xE0 == 0x20, !isIn(bytes, specialV6) else { return false }
        return !(bytes[8] & 0xFD == 0 && bytes[9] == 0 && bytes[10] == 0x5E && bytes[11] == 0xFE)
    }

    /// Whether an owner may allow it for their own network: not a link-local, multicast, reserved or cloud metadata address.
    static func mayBeLocal(_ bytes: [UInt8]) -> Bool {
        if bytes.count == 4 { return !isIn(bytes, link) }
        guard bytes.count == 16 else { return false }
        if bytes.dropLast().allSatisfy({ $0 == 0 }) { return bytes[15] == 1 }
        // fd00:ec2::254 tells machines of one cloud their secrets.
        let metadata: [UInt8] = [0xFD, 0x00, 0x0E, 0xC2] + [UInt8](repeating: 0, count: 10) + [0x02, 0x54]
        return bytes != metadata && (bytes[0] & 0xFE == 0xFC || isPublic(bytes))
    }

    /// IPv4-mapped, NAT64 and 6to4 (RFC 4291, 6052, 3056).
    private static func embeddedV4(_ bytes: [UInt8]) -> [UInt8]? {
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF { return Array(bytes[12...]) }
        if bytes.starts(with: [0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]) { return Array(bytes[12...]) }
        if bytes[0] == 0x20, bytes[1] == 0x02 { return Array(bytes[2..<6]) }
        return nil
    }

    private static func isIn(_ bytes: [UInt8], _ networks: [(bytes: [UInt8], bits: Int)]) -> Bool {
        networks.contains { network in
            for i in 0..<((network.bits + 7) / 8) {
                let kept = min(8, network.bits - i * 8)
                let mask = UInt8(truncatingIfNeeded: 0xFF00 >> kept)
                let wanted = i < network.bytes.count ? network.bytes[i] : 0
                if bytes[i] & mask != wanted & mask { return false }
            }
            return true
        }
    }
}
