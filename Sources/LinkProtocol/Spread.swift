// Numbers that were given out in a row, made as good as random.
//
// Pure, any thread. Not for numbers that a peer chooses: it could choose those that meet. SPDX-License-Identifier: Apache-2.0

extension UInt64 {
    /// SplitMix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    @inlinable
    public var spread: UInt64 {
        var z = self &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension InstanceID {
    /// Ids are given out in a row.
    @inlinable
    public var spread: UInt64 { UInt64(bitPattern: rawValue).spread }
}
