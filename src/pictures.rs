//! Reports that go to files, in addition to the one on standard output.

use crate::args::CheckPlan;
use crate::output_file::{OutputFile, create_output};
use crate::report::{CheckFindings, ReportWriter, dot::DotReport, page::PageReport};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The report on standard output, and the report files that the user asked for.
pub(crate) struct ReportFiles {
    said: Box<dyn ReportWriter>,
    pictures: Vec<ReportFile>,
}

struct ReportFile {
    path: PathBuf,
    /// None once the file is complete.
    file: Option<OutputFile>,
    report: Box<dyn ReportWriter>,
}

impl ReportFiles {
    /// Opens the files before the check, so that a file that cannot be written is reported before hours of work. The error is
    /// worded for the user.
    pub(crate) fn open_files(said: Box<dyn ReportWriter>, plan: &CheckPlan) -> Result<ReportFiles, String> {
        let asked = &plan.pictures;
        let mut pictures = Vec::new();
        if let Some(path) = &asked.report {
            pictures.push(ReportFile::create_file(path, plan, Box::new(PageReport::default()))?);
        }
        if let Some(path) = &asked.dot {
            pictures.push(ReportFile::create_file(path, plan, Box::new(DotReport::default()))?);
        }
        Ok(ReportFiles { said, pictures })
    }

    fn write_each(
        &mut self,
        mut tell: impl FnMut(&mut dyn ReportWriter, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.pictures.iter_mut().try_for_each(|picture| {
            let Some(file) = &mut picture.file else { return Ok(()) };
            let told = tell(picture.report.as_mut(), file);
            told.map_err(|error| io::Error::other(describe_write_error(&picture.path, &error)))
        })
    }
}

impl ReportWriter for ReportFiles {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.write_each(|report, file| report.write_checked(findings, file))?;
        self.said.write_checked(findings, out)
    }

    fn write_refused(&mut self, name: &str, problems: &str, out: &mut dyn Write) -> io::Result<()> {
        self.write_each(|report, file| report.write_refused(name, problems, file))?;
        self.said.write_refused(name, problems, out)
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.write_each(|report, file| report.write_end(file))?;
        for picture in &mut self.pictures {
            let finished = picture.file.take().map_or(Ok(()), OutputFile::publish_file);
            finished.map_err(io::Error::other)?;
        }
        self.said.write_end(out)
    }
}

impl ReportFile {
    fn create_file(
        path: &Path,
        plan: &CheckPlan,
        report: Box<dyn ReportWriter>,
    ) -> Result<ReportFile, String> {
        let file = create_output(path, plan.force, &plan.input_files())?;
        Ok(ReportFile { path: path.to_owned(), file: Some(file), report })
    }
}

fn describe_write_error(path: &Path, error: &io::Error) -> String {
    format!("failed to write {}: {error}", path.display())
}
