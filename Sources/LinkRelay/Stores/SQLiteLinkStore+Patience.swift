// A disk that hangs: who waits for it too long is told so, and nothing of what it asked for will happen.
//
// In a task, which exists while jobs come; takes jobs off the queue under its mutex. Must never touch a job that the store's thread has
// taken up: how that ends only the disk knows. SPDX-License-Identifier: Apache-2.0

import Glibc

extension SQLiteThread {
    /// How often the queue is looked at.
    private static let watchInterval = Duration.milliseconds(250)

    /// Answers `.busy` to jobs that waited longer than `patience`. Ends when none is left; `submit` begins it again.
    func watchQueue() async {
        repeat {
            try? await Task.sleep(for: Self.watchInterval)
            for job in withdrawOverdue() { job.finish(StoreError(.busy, "the disk did not answer in time")) }
        } while mustGoOn()
    }

    /// Jobs stand in the order of their making.
    private func withdrawOverdue() -> [SQLiteJob] {
        let latest = ContinuousClock.now - patience
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let overdue = Array(jobs.prefix { $0.madeAt < latest })
        jobs.removeFirst(overdue.count)
        return overdue
    }

    private func mustGoOn() -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isWatched = !jobs.isEmpty
        return isWatched
    }
}
