//! Renderings that go to files of their own, beside the one that goes to standard output.

use crate::args::CheckPlan;
use crate::output_file::{OutputFile, create_output};
use crate::report::{Findings, Report, dot::Dot, page::Page};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What goes to standard output, and the files that were asked for.
pub(crate) struct Pictures {
    said: Box<dyn Report>,
    pictures: Vec<Picture>,
}

struct Picture {
    path: PathBuf,
    /// None when it is finished.
    file: Option<OutputFile>,
    report: Box<dyn Report>,
}

impl Pictures {
    /// Opens the files: that one cannot be written is better known before hours of checking. The error is for the
    /// user.
    pub(crate) fn beside(said: Box<dyn Report>, plan: &CheckPlan) -> Result<Pictures, String> {
        let asked = &plan.pictures;
        let mut pictures = Vec::new();
        if let Some(path) = &asked.report {
            pictures.push(Picture::create(path, plan, Box::new(Page::default()))?);
        }
        if let Some(path) = &asked.dot {
            pictures.push(Picture::create(path, plan, Box::new(Dot::default()))?);
        }
        Ok(Pictures { said, pictures })
    }

    fn each(
        &mut self,
        mut tell: impl FnMut(&mut dyn Report, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.pictures.iter_mut().try_for_each(|picture| {
            let Some(file) = &mut picture.file else { return Ok(()) };
            let told = tell(picture.report.as_mut(), file);
            told.map_err(|error| io::Error::other(unwritten(&picture.path, &error)))
        })
    }
}

impl Report for Pictures {
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.each(|report, file| report.checked(findings, file))?;
        self.said.checked(findings, out)
    }

    fn refused(&mut self, name: &str, problems: &str, out: &mut dyn Write) -> io::Result<()> {
        self.each(|report, file| report.refused(name, problems, file))?;
        self.said.refused(name, problems, out)
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.each(|report, file| report.finish(file))?;
        for picture in &mut self.pictures {
            let finished = picture.file.take().map_or(Ok(()), OutputFile::finish);
            finished.map_err(io::Error::other)?;
        }
        self.said.finish(out)
    }
}

impl Picture {
    fn create(path: &Path, plan: &CheckPlan, report: Box<dyn Report>) -> Result<Picture, String> {
        let file = create_output(path, plan.force, &plan.inputs())?;
        Ok(Picture { path: path.to_owned(), file: Some(file), report })
    }
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("failed to write {}: {error}", path.display())
}
