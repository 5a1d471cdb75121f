// The way down: stop accepting, then close transports a few at a time over the drain window.
//
// Loop thread. SPDX-License-Identifier: Apache-2.0

extension Shard {
    static let drainStepMs: UInt64 = 50

    func startDraining() {
        unlisten()
        drainQueue = Array(sessions.keys)
        let steps = max(1, Int(limits.drainMs / Self.drainStepMs))
        drainPerStep = (drainQueue.count + steps - 1) / steps
        drainStep()
    }

    func drainStep() {
        for _ in 0..<drainPerStep {
            guard let serial = drainQueue.popLast() else { return }
            if let session = sessions[serial] { close(session, .restarting) }
        }
        if !drainQueue.isEmpty { schedule(inMs: Self.drainStepMs, .drain) }
    }
}
