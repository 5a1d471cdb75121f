// A disk that hangs: who waits for it too long is told so, and nothing of what it asked for will happen.
//
// In the task of a Watch, while jobs wait; takes jobs off the queue before the store's thread does. Must never touch a job that the
// thread has taken up: how that ends only the disk knows. SPDX-License-Identifier: Apache-2.0

extension WorkerThread where Worker == SQLiteWorker {
    /// Answers `.busy` to jobs that waited longer than `patience`. True: others still wait.
    func refuseOverdue(_ patience: Duration) -> Bool {
        let latest = ContinuousClock.now - patience
        // Jobs stand in the order of their making.
        for job in withdraw(while: { $0.madeAt < latest }) { job.finish(StoreError(.busy, "the disk did not answer in time")) }
        return queuedCount > 0
    }
}
