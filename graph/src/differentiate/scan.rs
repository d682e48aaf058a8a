//! The gradient of a loop.

use super::Walker;
use crate::error::Error;
use crate::graph::NodeId;

impl Walker<'_> {
    pub(super) fn through_scan(&mut self, id: NodeId) -> Result<(), Error> {
        Err(Error::new("there is no gradient through a scan yet").at(self.graph.origin(id).clone()))
    }
}
