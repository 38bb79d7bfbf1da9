//! A folder of files, or files already in memory, to a checked program or to findings.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::finding::{Code, Finding, LineColumn, Place, Sources, Span, WholeFile, did_you_mean};
use crate::journey::decode::{self, Known};
use crate::journey::{Journey, template, yaml};
use crate::lang::compile::{Compiler, RuleFile, Settings as RuleSettings};
use crate::lang::window::Calendar;
use crate::model::id::hash_parts;

use super::config::Config;
use super::config::Retention;
use super::folder::{self, Unreadable};
use super::program::{Program, Template};
use super::scenario::Scenario;
use super::scenario_reader;
use super::settings::{self, Settings};
use super::severities::Severities;
use super::variables;

/// The file of settings.
pub const SETTINGS_FILE: &str = "tidewater.yaml";

/// All that came of reading a workspace.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    pub sources: Sources,
    /// `None` where `tidewater.yaml` is missing or has errors.
    pub config: Option<Config>,
    /// `None` where anything that decisions depend on has errors. An error in what only running needs, such as a
    /// variable that is not set, leaves it: scenarios can be played without secrets.
    pub program: Option<Arc<Program>>,
    pub scenarios: Vec<Scenario>,
    /// What reading found, in the order of files and places. `lint::report` adds what lint finds, and gives each the
    /// severity that the workspace sets.
    pub findings: Vec<Finding>,
    /// How long events are kept: what lint holds windows against.
    pub retention: Retention,
    /// What `lint:` in `tidewater.yaml` says.
    pub severities: Severities,
}

impl Loaded {
    /// Whether something stands in the way of running the workspace, whatever it says of severities.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }

    /// Path, line and column of a place.
    #[must_use]
    pub fn locate(&self, place: Place) -> (&str, LineColumn) {
        let file = self.sources.get(place.source);
        (&file.path, file.line_column(place.span.start))
    }
}

/// Reads the workspace in this folder, with variables from the environment of the process.
///
/// # Errors
/// If the folder itself cannot be read. A file that cannot is a finding.
pub fn load(dir: &Path) -> io::Result<Loaded> {
    let (files, unreadable) = folder::read(dir)?;
    Ok(compile_with(files, unreadable, &|name| std::env::var(name).ok()))
}

/// Compiles files given as (path relative to the workspace, text). Pure.
#[must_use]
pub fn compile(files: Vec<(String, String)>, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    compile_with(files, Vec::new(), env)
}

/// Compiles a program anew from its own [`Program::sources`]. `None` where this version cannot read them any more.
#[must_use]
pub fn recompile(sources: &[(String, String)]) -> Option<Arc<Program>> {
    compile(sources.to_vec(), &|_| None).program
}

fn compile_with(
    mut files: Vec<(String, String)>,
    unreadable: Vec<Unreadable>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    files.sort();
    let mut workspace = Workspace::default();
    for file in unreadable {
        workspace.unreadable(file);
    }
    for (path, text) in &files {
        workspace.sources.add(path.clone(), text.as_str());
    }
    let settings = workspace.settings(env);
    let program = workspace.program(&settings);
    let scenarios = workspace.scenarios(program.as_deref());
    workspace.finish(settings, program, scenarios)
}

/// A workspace while it is read.
#[derive(Default)]
struct Workspace {
    sources: Sources,
    findings: Vec<Finding>,
    /// Of what only running and testing need: these leave the program as it is.
    aside: Vec<Finding>,
    /// A journey could not be read: what names it may be right.
    broken_journeys: bool,
}

impl Workspace {
    fn unreadable(&mut self, file: Unreadable) {
        let source = self.sources.add(file.path, "");
        let place = Place { source, span: Span::default() };
        self.findings.push(Finding::new(file.code, place, file.message));
    }

    /// Ids and texts of the files in this folder with one of these endings.
    fn files(&self, folder: &str, endings: &[&str]) -> Vec<(crate::finding::SourceId, String, Arc<str>)> {
        let fits = |path: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
                && endings.iter().any(|ending| path.ends_with(ending))
        };
        let files = self.sources.iter().filter(|(_, file)| fits(&file.path));
        files.map(|(id, file)| (id, file.path.clone(), Arc::clone(&file.text))).collect()
    }

    fn settings(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Settings {
        let Some(source) = self.sources.find(SETTINGS_FILE) else {
            let source = self.sources.add(SETTINGS_FILE, "");
            let place = Place { source, span: Span::default() };
            let message = "there is no `tidewater.yaml` in this folder";
            let help = "`tidewater init` makes a new workspace";
            self.aside.push(Finding::new(Code::UnreadableFile, place, message).help(help));
            return Settings::default();
        };
        let text = Arc::clone(&self.sources.get(source).text);
        let mut documents = yaml::parse(source, &text, &mut self.findings);
        if documents.len() > 1 {
            let message = "`tidewater.yaml` holds one document";
            self.findings.push(Finding::new(Code::WrongShape, documents[1].place, message));
        }
        let Some(document) = documents.first_mut() else { return Settings::default() };
        variables::expand(document, env, &mut self.aside);
        let unset: Vec<Place> = self.aside.iter().map(|finding| finding.place).collect();
        let settings = settings::read(document, &mut self.findings, &mut self.aside);
        // What a value without its variable looks like says nothing about the author.
        let is_known = |finding: &Finding| finding.code != Code::MissingVariable && unset.contains(&finding.place);
        self.findings.retain(|finding| !is_known(finding));
        self.aside.retain(|finding| !is_known(finding));
        settings
    }

    fn program(&mut self, settings: &Settings) -> Option<Arc<Program>> {
        let shape = &settings.shape;
        let rule_texts = self.files("rules", &[".tide"]);
        let rule_files: Vec<RuleFile<'_>> =
            rule_texts.iter().map(|(source, _, text)| RuleFile { source: *source, text }).collect();
        let rule_settings = RuleSettings {
            rates: shape.rates.clone(),
            default_country: shape.default_country.clone(),
            destinations: shape.channels.keys().cloned().collect(),
            calendar: Calendar { zone: shape.time_zone, week_starts: shape.week_starts },
            files: self.files("lists", &[".csv"]).into_iter().map(|(_, path, text)| (path, text)).collect(),
        };
        let (mut compiler, findings) = Compiler::new(&rule_files, &rule_settings);
        self.findings.extend(findings);
        let templates = self.templates(&compiler);
        let known = Known {
            channels: shape.channels.clone(),
            templates: templates.iter().map(|(name, template)| (name.clone(), template.title())).collect(),
            zone: shape.time_zone,
        };
        let journeys = self.journeys(&mut compiler, &known);
        self.check_names_across(&compiler, &journeys, &templates);
        let rules = compiler.finish();
        if self.findings.iter().any(Finding::is_error) {
            return None;
        }
        let sources = self.decisive(settings);
        let version = version(&sources);
        let time_zone = shape.time_zone;
        Some(Arc::new(Program { version, rules, journeys, templates, time_zone, sources }))
    }

    /// What rules name of journeys and templates, which are read after them.
    fn check_names_across(
        &mut self,
        compiler: &Compiler,
        journeys: &[Journey],
        templates: &BTreeMap<String, Template>,
    ) {
        for (name, place) in compiler.journeys_named() {
            let known = journeys.iter().map(|journey| journey.name.as_str());
            if !self.broken_journeys && !known.clone().any(|known| known == name) {
                let finding = Finding::new(Code::UnknownJourney, *place, format!("unknown journey `{name}`"));
                self.findings.push(match did_you_mean(name, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(*place, format!("\"{near}\"")),
                    None => finding.help("journeys are files in `journeys/`"),
                });
            }
        }
        for (name, place) in compiler.templates_named() {
            if !templates.contains_key(name) {
                let message = format!("there is no template `{name}`");
                let finding = Finding::new(Code::MissingTemplate, *place, message);
                self.findings.push(match did_you_mean(name, templates.keys().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(*place, format!("\"{near}\"")),
                    None => finding.help(format!("add `templates/{name}.html`")),
                });
            }
        }
    }

    fn templates(&mut self, compiler: &Compiler) -> BTreeMap<String, Template> {
        let known = template::known_variables(compiler.rules());
        let mut templates: BTreeMap<String, Template> = BTreeMap::new();
        for (source, path, text) in self.files("templates", &[".html", ".txt"]) {
            template::check(&text, &WholeFile(source), &known, &mut self.findings);
            let Some((name, ending)) = path.trim_start_matches("templates/").rsplit_once('.') else { continue };
            let template = templates.entry(name.to_owned()).or_default();
            let body = if ending == "html" { &mut template.html } else { &mut template.text };
            *body = Some(text.to_string());
        }
        templates
    }

    fn journeys(&mut self, compiler: &mut Compiler, known: &Known) -> Vec<Journey> {
        let mut journeys: Vec<Journey> = Vec::new();
        for (source, _, text) in self.files("journeys", &[".yaml", ".yml"]) {
            for document in yaml::parse(source, &text, &mut self.findings) {
                if document.is_null() {
                    continue;
                }
                let Some(journey) = decode::decode(&document, &text, compiler, known, &mut self.findings) else {
                    self.broken_journeys = true;
                    continue;
                };
                match journeys.iter().find(|other| other.name == journey.name) {
                    Some(twin) => self.findings.push(
                        Finding::new(
                            Code::DuplicateName,
                            journey.place,
                            format!("two journeys are called `{}`", journey.name),
                        )
                        .label(twin.place, "the other stands here"),
                    ),
                    None => journeys.push(journey),
                }
            }
        }
        journeys
    }

    /// Everything that decisions depend on: rules, journeys, templates, and what of the settings shapes them.
    fn decisive(&self, settings: &Settings) -> Vec<(String, String)> {
        let mut decisive = vec![(SETTINGS_FILE.to_owned(), settings.shape.to_yaml())];
        let folders: [(&str, &[&str]); 4] = [
            ("lists", &[".csv"]),
            ("journeys", &[".yaml", ".yml"]),
            ("rules", &[".tide"]),
            ("templates", &[".html", ".txt"]),
        ];
        for (folder, endings) in folders {
            let files = self.files(folder, endings);
            decisive.extend(files.into_iter().map(|(_, path, text)| (path, text.to_string())));
        }
        decisive.sort();
        decisive
    }

    fn scenarios(&mut self, program: Option<&Program>) -> Vec<Scenario> {
        let mut scenarios = Vec::new();
        for (source, path, text) in self.files("scenarios", &[".yaml", ".yml"]) {
            for document in yaml::parse(source, &text, &mut self.aside) {
                if !document.is_null() {
                    scenarios.extend(scenario_reader::read(&document, &path, program, &mut self.aside));
                }
            }
        }
        scenarios
    }

    fn finish(self, settings: Settings, program: Option<Arc<Program>>, scenarios: Vec<Scenario>) -> Loaded {
        let mut findings = self.findings;
        findings.extend(self.aside);
        findings.sort_by_key(|finding| (finding.place, finding.code));
        findings.dedup();
        let config_stands = !findings
            .iter()
            .any(|finding| finding.is_error() && self.sources.get(finding.place.source).path == SETTINGS_FILE);
        Loaded {
            sources: self.sources,
            config: settings.config.filter(|_| config_stands),
            program,
            scenarios,
            findings,
            retention: settings.retention,
            severities: settings.severities,
        }
    }
}

/// A hash over paths and texts, 32 hexadecimal digits.
fn version(sources: &[(String, String)]) -> String {
    let parts: Vec<&[u8]> = sources.iter().flat_map(|(path, text)| [path.as_bytes(), text.as_bytes()]).collect();
    format!("{:032x}", hash_parts("program", &parts))
}
