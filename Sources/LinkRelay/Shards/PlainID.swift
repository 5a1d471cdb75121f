// The one place of a loop where an id that its sender wrote with escapes stands in the spelling by which ids are compared.
//
// Loop thread, cold: clients write ids without escapes. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class PlainID {
    /// One character of six bytes each, `\u0061`: more cannot become an id that is tracked.
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: CommandLedger.idCapacity * 6, alignment: 1)

    deinit { memory.deallocate() }

    /// The id whose spelling `contents` is; valid until the next call. One too long to be tracked stays as it was sent.
    @inline(never)
    func show(_ contents: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard contents.count <= memory.count else { return contents }
        let plain = JSONString.plain(contents.bytes)
        memory.copyBytes(from: plain)
        return UnsafeRawBufferPointer(rebasing: memory[0..<plain.count])
    }
}
