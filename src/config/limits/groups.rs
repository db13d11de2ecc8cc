//! Where a process stands among the control groups, in version 1, version 2 and mixed hierarchies.

use super::files::Files;
use std::path::PathBuf;

/// Where the process stands in every hierarchy, and where those are mounted.
pub(super) struct Groups<'a> {
    files: &'a Files,
    memberships: String,
    mounts: Vec<Mount>,
}

/// A mounted cgroup hierarchy, or the part of one below `top`.
struct Mount {
    top: String,
    point: String,
    /// The controllers of a version 1 hierarchy; `None` is version 2.
    controllers: Option<String>,
}

impl Groups<'_> {
    pub(super) fn of_this_process(files: &Files) -> Groups<'_> {
        let text = |name: &str| files.text(name).unwrap_or_default();
        let mounts = text("proc/self/mountinfo");
        // Few of them are of interest, and to take a line apart takes longer than to look for a word in it.
        let of_groups = mounts.lines().filter(|line| line.contains("cgroup"));
        Groups {
            files,
            memberships: text("proc/self/cgroup"),
            mounts: of_groups.filter_map(Mount::parse).collect(),
        }
    }

    /// The directories of the groups that bound the process's use of what `controller` controls, its own group first
    /// in each hierarchy. A hierarchy that does not have the controller has no such files, so it does no harm here.
    pub(super) fn of(&self, controller: &str) -> Vec<PathBuf> {
        let memberships = self.memberships.lines().filter_map(parse_membership);
        let with_controller = memberships
            .filter(|(controllers, _)| has(controllers, controller) || controllers.is_empty());
        with_controller
            .flat_map(|(controllers, group)| self.lineage(controllers, group, controller))
            .collect()
    }

    fn lineage(&self, controllers: &str, group: &str, controller: &str) -> Vec<PathBuf> {
        let mounted: Vec<&Mount> = self
            .mounts
            .iter()
            .filter(|mount| mount.shows(controllers, controller))
            .collect();
        let below_top = mounted
            .iter()
            .filter_map(|mount| Some(self.upwards(mount, mount.below_top(group)?)));
        let groups: Vec<PathBuf> = below_top.flatten().collect();
        match mounted.first() {
            // The group lies outside of what is mounted, as when the container was moved or has the host's view of
            // itself: the top of the mount is then the nearest that can be known.
            Some(mount) if groups.is_empty() => self.upwards(mount, ""),
            _ => groups,
        }
    }

    /// The directories from the group up to the mount point.
    fn upwards(&self, mount: &Mount, group: &str) -> Vec<PathBuf> {
        let point = self.files.below(&mount.point);
        let own = point.join(group.trim_start_matches('/'));
        let at_least = point.as_os_str().len();
        own.ancestors()
            .take_while(|group| group.as_os_str().len() >= at_least)
            .map(PathBuf::from)
            .collect()
    }
}

impl Mount {
    /// A line of `mountinfo`: `36 35 98:0 /top /point options [fields] - type source options`.
    fn parse(line: &str) -> Option<Mount> {
        let (placed, kind) = line.split_once(" - ")?;
        let mut placed = placed.split(' ').skip(3);
        let (top, point) = (placed.next()?, placed.next()?);
        let mut kind = kind.split(' ');
        let controllers = match kind.next()? {
            "cgroup" => Some(kind.nth(1)?.to_owned()),
            "cgroup2" => None,
            _ => return None,
        };
        Some(Mount {
            top: unescape(top),
            point: unescape(point),
            controllers,
        })
    }

    fn shows(&self, membership: &str, controller: &str) -> bool {
        match &self.controllers {
            Some(options) => has(options, controller) && has(membership, controller),
            None => membership.is_empty(),
        }
    }

    /// The group's path below the top of this mount; `None` where it lies elsewhere.
    fn below_top<'a>(&self, group: &'a str) -> Option<&'a str> {
        let below = group.strip_prefix(self.top.trim_end_matches('/'))?;
        let inside = (below.is_empty() || below.starts_with('/'))
            && !below.split('/').any(|part| part == "..");
        inside.then_some(below)
    }
}

/// A line of `/proc/self/cgroup`, `4:cpu,cpuacct:/group`, as controllers and group; version 2 names no controllers.
fn parse_membership(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    rest.split_once(':')
}

fn has(list: &str, word: &str) -> bool {
    list.split(',').any(|listed| listed == word)
}

/// Undoes what the kernel does to spaces, tabs, newlines and backslashes in `mountinfo`.
fn unescape(path: &str) -> String {
    if !path.contains('\\') {
        return path.to_owned();
    }
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}
