//! Tests of rules to a tenant: what the metaverse must hold follows from what rules into it make of an object of a forest,
//! and of the object of the tenant that it is joined to.

use super::object::{Shown, is_equal, object};
use super::{Made, Pair, Setting, described, solve, test};
use crate::entra_connect::convert::ConvertedFlow;
use crate::entra_connect::convert::tenant::{self, Shows};
use crate::entra_connect::export::{Clause, Direction, Flow, FlowSource, Link, Rule};
use crate::entra_connect::expression::{self, Node};
use crate::entra_connect::written::quoted;
use crate::value::Kind;
use solve::{ANCHORS, Want, Way};

/// So many ways to make the metaverse so are tried.
const TRIED: usize = 8;

/// What an object of a forest is to be, and one of the tenant, if there must be one.
#[derive(Clone, Default)]
struct Sources {
    forest: Way,
    tenant: Option<Way>,
}

impl Sources {
    fn size(&self) -> usize {
        let asked = self.forest.wants.values().filter(|(_, wish)| *wish != Want::Absent).count();
        asked + self.tenant.as_ref().map_or(0, |tenant| 10 + tenant.wants.len())
    }
}

impl Setting<'_> {
    pub(super) fn outbound(&self, pair: Pair<'_>, flow: &ConvertedFlow, node: &Node) -> Made {
        let ways = solve::ways(node, &|name| self.schemas.of_metaverse(name));
        if ways.len() < 2 {
            return Made { ways, ..Made::default() };
        }
        let (kept, met) = solve::chosen(ways.clone(), |way| self.objects(pair.original, way));
        let connector = pair.rule.connector.as_str();
        let test = |(way, objects): &(Way, String)| {
            test((pair.rule, flow), &described(&way.wants), objects, (connector, way.error.as_deref()))
        };
        Made { tests: kept.iter().map(test).collect(), ways, met }
    }

    /// The objects that bring the metaverse there, as text.
    fn objects(&self, rule: &Rule, way: &Way) -> Option<String> {
        let makers = self.inbound_of(rule).filter(|maker| maker.original.link == Link::Provision);
        makers.filter(|maker| self.is_directory(&maker.original.connector)).find_map(|maker| {
            let scoped = self.scoped(rule, way);
            let mut sources: Vec<Sources> = scoped.iter().flat_map(|way| self.sources(rule, maker, way)).collect();
            sources.sort_by_key(Sources::size);
            sources.iter().find_map(|sources| self.shown(rule, maker, sources))
        })
    }

    /// Rules that run into the same type of the metaverse.
    fn inbound_of(&self, rule: &Rule) -> impl Iterator<Item = Pair<'_>> {
        self.pairs().filter(|pair| {
            pair.original.direction == Direction::Inbound && pair.original.metaverse_type == rule.metaverse_type
        })
    }

    /// The way, with what each group of the rule's scope asks for besides.
    fn scoped(&self, rule: &Rule, way: &Way) -> Vec<Way> {
        if rule.scope.is_empty() {
            return vec![way.clone()];
        }
        let clause = |way: &Way, clause: &Clause| self.in_scope(clause, way);
        let group = |clauses: &Vec<Clause>| {
            clauses.iter().fold(vec![way.clone()], |ways, next| ways.iter().flat_map(|way| clause(way, next)).collect())
        };
        rule.scope.iter().flat_map(group).collect()
    }

    fn in_scope(&self, clause: &Clause, way: &Way) -> Vec<Way> {
        let wish = way.wants.get(&clause.attribute.to_ascii_lowercase()).map(|(_, wish)| wish);
        let met = |met: bool| if met { vec![way.clone()] } else { Vec::new() };
        let value = clause.value.trim();
        match clause.operator.to_ascii_uppercase().as_str() {
            "ISNOTNULL" => way.want(&clause.attribute, Want::Present),
            "ISNULL" => way.want(&clause.attribute, Want::Absent),
            "EQUAL" => {
                let wish = match (self.schemas.of_metaverse(&clause.attribute).kind, value.parse()) {
                    (Kind::Boolean, _) => Want::Boolean(value.eq_ignore_ascii_case("true")),
                    (Kind::Integer, Ok(number)) => Want::Integer(number),
                    _ => Want::Text(value.to_owned()),
                };
                way.want(&clause.attribute, wish)
            }
            "NOTEQUAL" => met(!wish.is_some_and(|wish| is_equal(wish, value))),
            operator => met(match (wish, value.parse::<i64>()) {
                (Some(Want::Integer(number)), Ok(bound)) => match operator {
                    "LESSTHAN" => *number < bound,
                    "LESSTHAN_OR_EQUAL" => *number <= bound,
                    "GREATERTHAN" => *number > bound,
                    "GREATERTHAN_OR_EQUAL" => *number >= bound,
                    _ => true,
                },
                _ => true,
            }),
        }
    }

    /// What a forest and the tenant must show, the simplest first.
    fn sources(&self, rule: &Rule, maker: Pair<'_>, way: &Way) -> Vec<Sources> {
        let mut found = vec![Sources::default()];
        for (name, wish) in way.wants.values() {
            let mut next: Vec<Sources> =
                found.iter().flat_map(|sources| self.given((rule, maker), (name, wish), sources)).collect();
            next.sort_by_key(Sources::size);
            next.truncate(TRIED);
            found = next;
        }
        let absent: Vec<&str> =
            way.wants.values().filter(|(_, wish)| *wish == Want::Absent).map(|(name, _)| name.as_str()).collect();
        let gives = |flow: &(Flow, String)| absent.iter().any(|name| flow.0.to.eq_ignore_ascii_case(name));
        let of_tenant: Vec<(Flow, String)> = self.flows(rule, None).into_iter().filter(gives).collect();
        let without = |tenant: &Way| {
            of_tenant.iter().try_fold(tenant.clone(), |way, (flow, class)| {
                at_the_tenant(flow, class, &Want::Absent, &way).into_iter().next()
            })
        };
        found.retain_mut(|sources| {
            let Some(tenant) = &sources.tenant else { return true };
            sources.tenant = without(tenant);
            sources.tenant.is_some()
        });
        found
    }

    /// Flows into the metaverse from where the maker's objects come from, or from the tenant; each with its class.
    fn flows(&self, rule: &Rule, maker: Option<Pair<'_>>) -> Vec<(Flow, String)> {
        let ends = maker.map(|maker| (&maker.original.connector, &maker.original.directory_type));
        let ends = ends.unwrap_or((&rule.connector, &rule.directory_type));
        let from =
            self.inbound_of(rule).filter(|pair| (&pair.original.connector, &pair.original.directory_type) == ends);
        let flow = |flow: &Flow| (flow.clone(), ends.1.clone());
        from.flat_map(|pair| pair.original.flows.iter().map(flow).collect::<Vec<_>>()).collect()
    }

    /// How an attribute of the metaverse comes to be as wished for.
    fn given(&self, (rule, maker): (&Rule, Pair<'_>), (name, wish): (&str, &Want), known: &Sources) -> Vec<Sources> {
        let schema = |name: &str| self.schemas.of_directory(&maker.original.connector, name);
        let of = |from| -> Vec<(Flow, String)> {
            let flows: Vec<(Flow, String)> = self.flows(rule, from);
            flows.into_iter().filter(|(flow, _)| flow.to.eq_ignore_ascii_case(name)).collect()
        };
        let forest = |flow: &Flow, way: &Way| at_the_forest(flow, wish, way, &schema);
        let from_forest = of(Some(maker));
        if *wish == Want::Absent {
            let all = from_forest.iter().fold(vec![known.forest.clone()], |ways, (flow, _)| {
                ways.iter().flat_map(|way| forest(flow, way)).collect()
            });
            return all.into_iter().map(|forest| Sources { forest, ..known.clone() }).collect();
        }
        let mut found: Vec<Sources> = from_forest
            .iter()
            .flat_map(|(flow, _)| forest(flow, &known.forest))
            .map(|forest| Sources { forest, ..known.clone() })
            .collect();
        let tenant = known.tenant.clone().unwrap_or_default();
        let of_tenant = of(None);
        let ways = of_tenant.iter().flat_map(|(flow, class)| at_the_tenant(flow, class, wish, &tenant));
        found.extend(ways.map(|way| Sources { tenant: Some(way), ..known.clone() }));
        found
    }

    /// The objects as text. An object of the tenant is joined by its anchor: where that is another by now, or where a
    /// large group could not have been made, they were joined before.
    fn shown(&self, rule: &Rule, maker: Pair<'_>, sources: &Sources) -> Option<String> {
        let schema = |name: &str| self.schemas.of_directory(&maker.original.connector, name);
        let wants = &sources.forest.wants;
        let forest = object((maker.original, &maker.rule.connector), wants, &[], &schema)?;
        let Some(tenant) = &sources.tenant else { return Some(forest.text("object")) };
        let connector = self.pairs().find(|pair| pair.original.connector == rule.connector)?.rule.connector.clone();
        let (tenant, anchor) = of_the_tenant(&format!("{connector}/{}", rule.directory_type), rule, tenant)?;
        let now = format!("{}\n{}", forest.text("object"), tenant.text("object"));
        if anchor == ANCHORS[0] && forest.count.is_empty() {
            return Some(now);
        }
        let mut earlier = Shown { count: Default::default(), ..forest };
        let first = quoted(&format!("base64:{}", ANCHORS[0]));
        for (_, value) in earlier.attributes.values_mut().filter(|(_, value)| *value == first) {
            *value = quoted(&format!("base64:{anchor}"));
        }
        Some(format!("{}\n{}\n{now}", earlier.text("before"), tenant.text("before")))
    }
}

/// The object of the tenant, and the anchor by which it is joined.
fn of_the_tenant(place: &str, rule: &Rule, way: &Way) -> Option<(Shown, String)> {
    let Some(Shows::Attribute(join)) = tenant::shows(&rule.directory_type, "sourceAnchor") else { return None };
    let way = way.want(join, Want::Present).pop()?;
    let mut attributes = std::collections::BTreeMap::new();
    let mut set = |name: &str, value: String| attributes.insert(name.to_ascii_lowercase(), (name.to_owned(), value));
    let (mut id, mut anchor) = ("1".to_owned(), ANCHORS[0].to_owned());
    set("displayName", quoted("Ada L."));
    for (name, wish) in way.wants.values() {
        let value = match wish {
            Want::Text(text) => {
                let place = if name == "id" { Some(&mut id) } else { (name == join).then_some(&mut anchor) };
                place.into_iter().for_each(|place| place.clone_from(text));
                quoted(text)
            }
            Want::Present if name == join => quoted(&anchor),
            Want::Present if name == "usageLocation" => quoted("ES"),
            Want::Present => quoted(&format!("some {name}")),
            Want::Integer(number) => number.to_string(),
            Want::Boolean(truth) => truth.to_string(),
            Want::Absent => continue,
            Want::Count(_) => return None,
        };
        set(name, value);
    }
    set("id", quoted(&id));
    let shown = Shown { place: place.to_owned(), named: ("anchor", id), attributes, count: Default::default() };
    ANCHORS.contains(&anchor.as_str()).then_some((shown, anchor))
}

fn at_the_forest(flow: &Flow, wish: &Want, way: &Way, schema: solve::Schemas<'_>) -> Vec<Way> {
    match &flow.from {
        FlowSource::Direct(name) => way.want(name, wish.clone()),
        FlowSource::Constant(text) if *wish == Want::Present || is_equal(wish, text) => vec![way.clone()],
        FlowSource::Constant(_) => Vec::new(),
        FlowSource::Expression(text) => {
            let parsed = expression::parse(text);
            parsed.map_or_else(|_| Vec::new(), |parsed| solve::valued(&parsed.node, wish, way, schema))
        }
    }
}

/// What Graph must show for an attribute of Entra Connect's connector of the tenant to be so.
fn at_the_tenant(flow: &Flow, class: &str, wish: &Want, way: &Way) -> Vec<Way> {
    let name = match &flow.from {
        FlowSource::Direct(name) => Some(name.clone()),
        FlowSource::Constant(_) => None,
        FlowSource::Expression(text) => expression::parse(text).ok().and_then(|parsed| {
            let [name] = parsed.node.call("ImportedValue")? else { return None };
            name.text().map(str::to_owned)
        }),
    };
    let Some(shows) = name.and_then(|name| tenant::shows(class, &name)) else { return Vec::new() };
    match (shows, wish) {
        (Shows::Attribute(name), wish) => way.want(name, wish.clone()),
        (Shows::Id(_), Want::Present) => vec![way.clone()],
        (Shows::Id(start), Want::Text(text)) => {
            text.strip_prefix(start).map_or_else(Vec::new, |id| way.want("id", Want::Text(id.to_owned())))
        }
        (Shows::Id(_), Want::Absent | Want::Integer(_) | Want::Boolean(_) | Want::Count(_)) => Vec::new(),
    }
}
