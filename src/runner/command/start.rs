//! Why a program could not be started, in words that help.

use std::io::ErrorKind;

use super::Call;

impl Call<'_> {
    pub(super) fn why_not_started(&self, cause: &std::io::Error) -> String {
        let program = &self.program.job.command[0];
        let hint = match (cause.kind(), &self.program.job.cwd) {
            (ErrorKind::NotFound, Some(folder)) if !folder.is_dir() => {
                format!(": its folder {} does not exist", folder.display())
            }
            (ErrorKind::NotFound, _) if program.contains('/') => {
                ": there is no such file, or the program in its first line is missing".to_owned()
            }
            (ErrorKind::NotFound, _) => ": there is no such program in PATH".to_owned(),
            (ErrorKind::PermissionDenied, _) => format!(": it may not be executed; try chmod +x {program}"),
            _ => format!(": {cause}"),
        };
        format!("cannot start {program}{hint}")
    }
}
